import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isAlive, type ProcessIdentity } from "@portolan/kernel";

export interface RunningProcess extends ProcessIdentity {
  readonly restarts: number;
}

/** What runs, written by `portolan up` for every other command. */
export interface RunState {
  readonly supervisor: ProcessIdentity;
  /** False while processes start for the first time. */
  readonly ready: boolean;
  readonly controlUrl: string;
  readonly gatewayUrl: string;
  /** `host:port` of the gateway's gRPC listener, when it has one. */
  readonly grpcAddress?: string;
  /** Where several gateways share the port: each one's own address. */
  readonly gateways?: readonly { readonly name: string; readonly metricsUrl: string }[];
  readonly database: string;
  readonly processes: Readonly<Record<string, RunningProcess>>;
}

const fileName = (home: string) => join(home, "run", "state.json");

/** Synchronous, so that a process is on record the moment it exists: the next `up` may have to end it. */
export function writeRunState(home: string, state: RunState): void {
  mkdirSync(join(home, "run"), { recursive: true, mode: 0o700 });
  const temporary = `${fileName(home)}.${process.pid}`;
  writeFileSync(temporary, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
  renameSync(temporary, fileName(home));
}

/** `undefined` when nothing is ready here: no file, still starting, or the supervisor that wrote it is gone. */
export function readRunState(home: string): RunState | undefined {
  const state = readLastState(home);
  return state?.ready && isAlive(state.supervisor) ? state : undefined;
}

/** What the last supervisor wrote, whether it lives or not. */
export function readLastState(home: string): RunState | undefined {
  try {
    return JSON.parse(readFileSync(fileName(home), "utf8")) as RunState;
  } catch {
    return undefined; // none, or not ours: then there is nothing that we could end
  }
}

export function removeRunState(home: string): void {
  rmSync(fileName(home), { force: true });
}
