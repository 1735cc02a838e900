import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { environments } from "@portolan/kernel";
import { freePort } from "../../cli/src/supervisor/ports.ts";
import type { Answer, Api, ApiMethod } from "./api.ts";

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));
/** A bound for what hangs: on a machine busy with other work a start takes ten times its seconds. */
const startWithinMs = 120_000;

export interface ControlOptions {
  /** Whose home it is: by default one of its own, removed in the end. */
  readonly home?: string;
  readonly port?: number;
  /** By default PGlite in the home. */
  readonly databaseUrl?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** The real control process, as plain `node apps/control/src/main.ts` starts it. */
export interface ControlProcess extends Api {
  readonly url: string;
  readonly home: string;
  readonly port: number;
  /** Of the development issuer, for a user or service account by name or id, in every environment. */
  token(principal: string): Promise<string>;
  log(): string;
  /** Resolves when it ends, however it does, to its exit code. */
  readonly exited: Promise<number | null>;
  /** SIGTERM; resolves to the exit code. */
  stop(): Promise<number | null>;
  /** SIGKILL: what a crash or a power loss of the machine looks like to the database. */
  kill(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts it and waits until it is ready. @throws Error with its log when it ends before. */
export async function startControlProcess(options: ControlOptions = {}): Promise<ControlProcess> {
  const home = options.home ?? (await mkdtemp(join(tmpdir(), "portolan-control-")));
  const port = options.port ?? (await freePort());
  const running = run({ ...options, home, port });
  const url = `http://127.0.0.1:${port}`;
  await untilReady(url, running);
  const call = httpApi(url);
  return {
    url,
    home,
    port,
    call,
    token: async (principal) => {
      const secret = (await readFile(join(home, "local-credential"), "utf8")).trim();
      const { status, body } = await call("POST", "/v1/dev/token", { secret, principal, environments });
      if (status !== 200) throw new Error(`no token for ${principal}: ${JSON.stringify(body)}`);
      return String(body["token"]);
    },
    log: () => running.log(),
    exited: running.exited,
    stop: () => end(running, "SIGTERM"),
    kill: async () => void (await end(running, "SIGKILL")),
    [Symbol.asyncDispose]: async () => {
      await end(running, "SIGKILL");
      if (options.home === undefined) await rm(home, { recursive: true, force: true });
    },
  };
}

/**
 * Starts one that is expected to end by itself. Now and then Node 24 stands still in its exit (ADR 0241): then it is ended and
 * started again once, as the supervisor does.
 */
export async function controlExit(
  options: ControlOptions & { readonly home: string; readonly port: number },
): Promise<{ readonly code: number | null; readonly log: string }> {
  const logs: string[] = [];
  while (logs.length < 2) {
    const running = run(options);
    const code = await Promise.race([running.exited, sleep(startWithinMs, undefined, { ref: false })]);
    if (code !== undefined) return { code, log: running.log() };
    await end(running, "SIGKILL");
    logs.push(running.log());
  }
  throw new Error(`control did not end by itself:\n${logs.join("\n\n")}`);
}

interface Running {
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  log(): string;
}

function run(options: ControlOptions & { readonly home: string; readonly port: number }): Running {
  const child = spawn(process.execPath, [main], {
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env["PATH"],
      PORTOLAN_HOME: options.home,
      CONTROL_PORT: String(options.port),
      DEV_ISSUER: "true",
      ...(options.databaseUrl === undefined ? {} : { DATABASE_URL: options.databaseUrl }),
      ...options.env,
    },
  });
  let log = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => {
      log += chunk.toString("utf8");
    });
  const exited = new Promise<number | null>((resolve, reject) => {
    // "close" comes after the last byte of its output, "exit" may come before.
    child.once("close", resolve);
    child.once("error", reject);
  });
  return { child, exited, log: () => log };
}

async function untilReady(url: string, running: Running): Promise<void> {
  for (let waitedMs = 0; waitedMs < startWithinMs; waitedMs += 50) {
    const code = running.child.exitCode ?? running.child.signalCode;
    if (code !== null) throw new Error(`control ended (${code}) before it was ready:\n${running.log()}`);
    const answer = await fetch(`${url}/readyz`).catch(() => undefined);
    if (answer?.status === 200) return;
    await sleep(50);
  }
  await end(running, "SIGKILL");
  throw new Error(`control was not ready in ${startWithinMs} ms:\n${running.log()}`);
}

async function end(running: Running, signal: "SIGTERM" | "SIGKILL"): Promise<number | null> {
  running.child.kill(signal);
  return running.exited;
}

function httpApi(url: string): Api["call"] {
  return async (method: ApiMethod, path: string, body?: unknown, token?: string): Promise<Answer> => {
    const response = await fetch(new URL(path, url), {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      type: response.headers.get("content-type") ?? "",
      requestId: response.headers.get("x-request-id") ?? "",
      text,
      body: response.headers.get("content-type")?.includes("json") ? JSON.parse(text) : {},
    };
  };
}
