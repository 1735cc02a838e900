import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** What runs, written by `portolan up` for every other command. */
export interface RunState {
  readonly supervisorPid: number;
  readonly controlUrl: string;
  readonly gatewayUrl: string;
  readonly database: string;
  readonly processes: Readonly<Record<string, { readonly pid: number; readonly restarts: number }>>;
}

const fileName = (home: string) => join(home, "run", "state.json");

export async function writeRunState(home: string, state: RunState): Promise<void> {
  await mkdir(join(home, "run"), { recursive: true, mode: 0o700 });
  const temporary = `${fileName(home)}.${process.pid}`;
  await writeFile(temporary, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
  await rename(temporary, fileName(home));
}

/** `undefined` when nothing runs: no file, or the supervisor that wrote it is gone. */
export async function readRunState(home: string): Promise<RunState | undefined> {
  let text: string;
  try {
    text = await readFile(fileName(home), "utf8");
  } catch {
    return undefined;
  }
  const state: RunState = JSON.parse(text);
  return isAlive(state.supervisorPid) ? state : undefined;
}

export async function removeRunState(home: string): Promise<void> {
  await rm(fileName(home), { force: true });
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
