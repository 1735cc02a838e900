import { execFile } from "node:child_process";
import { mkdir, readFile, rm, statfs, writeFile } from "node:fs/promises";
import { createConnection } from "node:net";
import { userInfo } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { messageOf } from "@portolan/kernel";
import type { PythonFacts } from "./judge-machine.ts";

const run = promisify(execFile);
/** A hung interpreter (a broken shim) must not hang the doctor. */
const commandTimeoutMs = 10_000;

async function says(program: string, args: readonly string[]): Promise<string | undefined> {
  try {
    return (await run(program, [...args], { timeout: commandTimeoutMs })).stdout.trim();
  } catch {
    return undefined;
  }
}

export function npmVersion(): Promise<string | undefined> {
  return says("npm", ["--version"]);
}

const pythonQuestion = `
import importlib.util, platform
print(platform.python_version(), *(int(importlib.util.find_spec(m) is not None) for m in ("venv", "ensurepip")))`;

async function askPython(command: string): Promise<PythonFacts[]> {
  const [version, venv, ensurepip] = (await says(command, ["-c", pythonQuestion]))?.split(" ") ?? [];
  if (version === undefined) return [];
  return [{ command, version, hasVenv: venv === "1", hasEnsurepip: ensurepip === "1" }];
}

/** Every interpreter on PATH that answers, `python3` first, then the newest. */
export async function pythons(): Promise<PythonFacts[]> {
  const minors = ["3.14", "3.13", "3.12", "3.11", "3.10"];
  const commands = ["python3", ...minors.map((minor) => `python${minor}`), "python"];
  return (await Promise.all(commands.map(askPython))).flat();
}

/** True when something accepts connections there. */
export function isPortTaken(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: "127.0.0.1", port });
    const answer = (taken: boolean) => {
      socket.destroy();
      resolve(taken);
    };
    socket.setTimeout(1_000, () => answer(true));
    socket.once("connect", () => answer(true));
    socket.once("error", () => answer(false));
  });
}

/** Writes, reads back and removes a file; the message of what went wrong. The folder is made when missing. */
export async function writingProblem(folder: string): Promise<string | undefined> {
  const probe = join(folder, `.doctor-${process.pid}`);
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(probe, "portolan");
    const back = await readFile(probe, "utf8");
    await rm(probe);
    return back === "portolan" ? undefined : "what was written did not read back";
  } catch (error) {
    return messageOf(error);
  }
}

/** Free bytes for us on the disk of the nearest existing folder. */
export async function freeDiskBytes(folder: string): Promise<number> {
  for (let current = folder; ; current = join(current, "..")) {
    try {
      const { bavail, bsize } = await statfs(current);
      return bavail * bsize;
    } catch (error) {
      if (current === join(current, "..")) throw error;
    }
  }
}

/** The account that PostgreSQL would run under: our own, or as root another one; `undefined` where there is none. */
export async function postgresAccount(uid: number | undefined): Promise<string | undefined> {
  if (uid !== 0) return ownAccount();
  const text = await readFile("/etc/passwd", "utf8").catch(() => "");
  const accounts = text
    .split("\n")
    .map((line) => line.split(":"))
    .filter(([name, , id]) => name !== undefined && id !== undefined && id !== "0" && /^\d+$/.test(id))
    .map(([name]) => name);
  return accounts.find((name) => name === "nobody") ?? accounts[0];
}

function ownAccount(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined; // the uid has no account
  }
}
