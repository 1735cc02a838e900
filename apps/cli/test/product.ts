import { type ExecFileOptions, execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { environments } from "@portolan/kernel";
import { compileCache } from "../../../tools/compile-cache.ts";
import type { Answer, Api, ApiMethod } from "../../control/test/api.ts";
import { freePort } from "../src/supervisor/ports.ts";
import { type RunState, readLastState } from "../src/supervisor/state-file.ts";

export const cliMain = fileURLToPath(new URL("../src/main.ts", import.meta.url));

export type ProcessName = "control" | "gateway" | "postgres";
/** Where several gateways run. */
type FurtherProcess = "gateway-2";

/** The whole product as `portolan up --detach` starts it, over a folder of its own. */
export interface Product extends Api {
  readonly home: string;
  readonly controlUrl: string;
  readonly gatewayUrl: string;
  /** Runs one command line of the CLI; resolves to its exit code and output. */
  cli(...args: string[]): Promise<CommandResult>;
  up(): Promise<void>;
  state(): RunState;
  /** SIGKILL, at once. */
  kill(name: ProcessName | FurtherProcess | "supervisor"): number;
  /** Milliseconds until a process of that name with another pid is on record. */
  untilRestarted(name: ProcessName | FurtherProcess, oldPid: number): Promise<number>;
  untilReady(which: "control" | "gateway", limitMs: number): Promise<number>;
  /** Processes of this folder that live, by what the kernel says of them (Linux). */
  livingProcesses(): number[];
  [Symbol.asyncDispose](): Promise<void>;
}

export interface CommandResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Runs one command line as a user would, with plain `node`. */
export function runPortolan(args: readonly string[], env: Environment = process.env): Promise<CommandResult> {
  return run(args, { env: { ...compileCache, ...env } });
}

/** The same under another uid; only root may. */
export function runAs(uid: number, args: readonly string[], env: Environment): Promise<CommandResult> {
  return run(args, { env: { ...env }, uid, gid: uid, cwd: "/" });
}

function run(args: readonly string[], options: ExecFileOptions): Promise<CommandResult> {
  return new Promise((resolve) => {
    execFile(process.execPath, [cliMain, ...args], { maxBuffer: 2 ** 28, ...options }, (error, out, err) =>
      resolve({
        code: error === null ? 0 : typeof error.code === "number" ? error.code : -1,
        out: String(out),
        err: String(err),
      }),
    );
  });
}

/**
 * `env` is the environment of every command and so of every process, this one's by default; `parent` the folder that
 * the state folder is made in; `gateways` how many processes share the gateway's port.
 */
export async function startProduct(
  env: Readonly<Record<string, string | undefined>> = process.env,
  parent: string = tmpdir(),
  gateways = 1,
): Promise<Product> {
  const home = await mkdtemp(join(parent, "portolan-product-"));
  await chmod(home, 0o711); // so that the account PostgreSQL runs under can reach its folder in here
  const ports = { control: await freePort(), gateway: await freePort(), grpc: await freePort() };
  const controlUrl = `http://127.0.0.1:${ports.control}`;
  const gatewayUrl = `http://127.0.0.1:${ports.gateway}`;
  const call = caller(controlUrl);
  const runCli = (...args: string[]) => runPortolan(["--home", home, ...args], env);
  const up = async (): Promise<void> => {
    const portArgs = ["--port", String(ports.control), "--gateway-port", String(ports.gateway)];
    const gatewayArgs = ["--grpc-port", String(ports.grpc), "--gateways", String(gateways)];
    const { code, err } = await runCli("up", "--detach", ...portArgs, ...gatewayArgs);
    if (code !== 0) throw new Error(`portolan up: ${err}\n${await lastLog(home)}`);
  };
  const state = (): RunState => {
    const found = readLastState(home);
    if (!found) throw new Error("nothing runs");
    return found;
  };
  await up();
  return {
    home,
    controlUrl,
    gatewayUrl,
    call,
    cli: runCli,
    up,
    state,
    token: async (principal) => {
      const secret = (await readFile(join(home, "local-credential"), "utf8")).trim();
      const { status, text, body } = await call("POST", "/v1/dev/token", { secret, principal, environments });
      if (status !== 200) throw new Error(`no token for ${principal}: ${text}`);
      return String(body["token"]);
    },
    kill: (name) => {
      const pid = name === "supervisor" ? state().supervisor.pid : pidOf(state(), name);
      process.kill(pid, "SIGKILL");
      return pid;
    },
    untilRestarted: async (name, oldPid) =>
      until(`${name} is restarted`, 60_000, () => state().processes[name]?.pid !== oldPid),
    untilReady: (which, limitMs) =>
      until(`${which} is ready`, limitMs, () =>
        fetch(`${which === "control" ? controlUrl : gatewayUrl}/readyz`).then(
          (answer) => answer.ok,
          () => false,
        ),
      ),
    livingProcesses: () => processesOf(home),
    [Symbol.asyncDispose]: async () => {
      await runCli("down");
      await rm(home, { recursive: true, force: true });
    },
  };
}

function pidOf(state: RunState, name: ProcessName | FurtherProcess): number {
  const pid = state.processes[name]?.pid;
  if (pid === undefined) throw new Error(`no ${name} runs`);
  return pid;
}

async function until(
  what: string,
  limitMs: number,
  holds: () => boolean | Promise<boolean>,
): Promise<number> {
  const start = performance.now();
  while (!(await holds())) {
    if (performance.now() - start > limitMs) throw new Error(`not within ${limitMs} ms: ${what}`);
    await sleep(5);
  }
  return performance.now() - start;
}

async function lastLog(home: string): Promise<string> {
  const text = await readFile(join(home, "logs", "supervisor.log"), "utf8").catch(() => "");
  return text.split("\n").slice(-20).join("\n");
}

/** By command line or environment; runner processes carry neither, but are children of the gateway. */
export function processesOf(home: string): number[] {
  if (process.platform !== "linux") return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      const text = ["cmdline", "environ"].map((file) => readOr(`/proc/${pid}/${file}`)).join("\0");
      return text
        .split("\0")
        .some((part) => part === home || part.includes(`${home}/`) || part.endsWith(`=${home}`));
    })
    .map(Number);
}

function readOr(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return ""; // it ended between the listing and the look
  }
}

function caller(url: string): Api["call"] {
  return async (method: ApiMethod, path: string, body?: unknown, token?: string): Promise<Answer> => {
    const response = await fetch(new URL(path, url), {
      method,
      signal: AbortSignal.timeout(30_000),
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const type = response.headers.get("content-type") ?? "";
    return {
      status: response.status,
      type,
      requestId: response.headers.get("x-request-id") ?? "",
      text,
      body: type.includes("json") && !type.includes("jsonl") ? JSON.parse(text) : {},
    };
  };
}
