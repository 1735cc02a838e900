import { spawn } from "node:child_process";
import { mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { lockFolder } from "@portolan/database/embedded";
import { isAlive, isPortolanError, PortolanError } from "@portolan/kernel";
import { requireRestored } from "../backup/restore-offline.ts";
import type { CliContext } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import { openHome } from "./installation.ts";
import { lastSentence } from "./last-words.ts";
import { endOrphans } from "./orphans.ts";
import { requireFreePort } from "./ports.ts";
import { type RunState, readLastState, readRunState } from "./state-file.ts";
import { type Ports, Supervisor } from "./supervisor.ts";

/** Cold start of PostgreSQL (initdb) on a slow disk, and all else. */
const startLimitMs = 120_000;

/** Runs in the foreground until SIGINT or SIGTERM; resolves when everything has stopped. */
export async function runUp(context: CliContext, ports: Ports): Promise<RunState> {
  await prepare(context, ports);
  await using _lock = await lockHome(context.home);
  await endOrphans(context.home);
  const supervisor = new Supervisor(context, ports);
  const stopped = stopSignal();
  try {
    const started = supervisor.start();
    started.catch(() => undefined); // after a stop, what the start would still say is of no interest
    const state = await Promise.race([started, stopped]);
    if (state === undefined) return supervisor.state;
    context.output.say(`control  ${state.controlUrl}  (API: ${state.controlUrl}/docs)`);
    context.output.say(describeGateway(state));
    context.output.say("ready; stop with Ctrl-C");
    await stopped;
    return state;
  } finally {
    await supervisor.stop();
  }
}

/** Where the gateway answers, for people. */
export function describeGateway({ gatewayUrl, grpcAddress, gateways }: RunState): string {
  const notes = [
    ...(grpcAddress === undefined ? [] : [`gRPC: ${grpcAddress}`]),
    ...(gateways === undefined ? [] : [`${gateways.length} processes`]),
  ];
  return `gateway  ${gatewayUrl}${notes.length === 0 ? "" : `  (${notes.join(", ")})`}`;
}

/** Refuses before anything is started, and ends what a killed supervisor left behind. */
async function prepare(context: CliContext, ports: Ports): Promise<void> {
  requireStopped(context.home);
  await requireRestored(context.home);
  await openHome(context.home);
  await endOrphans(context.home);
  await requireFreePort("127.0.0.1", ports.control, "--port");
  await requireFreePort("127.0.0.1", ports.gateway, "--gateway-port");
  if (ports.grpc !== undefined) await requireFreePort("127.0.0.1", ports.grpc, "--grpc-port");
}

/** Two supervisors of one folder would end each other's database; the second is refused. */
async function lockHome(home: string): Promise<AsyncDisposable> {
  try {
    const lock = await lockFolder(join(home, "run", "supervisor"));
    return { [Symbol.asyncDispose]: () => lock.release() };
  } catch (error) {
    if (isPortolanError(error) && error.code === "database.locked") throw alreadyRunning(home, "is starting");
    throw error;
  }
}

/** Starts `portolan up` in the background and resolves once it is ready. */
export async function detach(context: CliContext, ports: Ports): Promise<RunState> {
  await prepare(context, ports);
  mkdirSync(join(context.home, "logs"), { recursive: true });
  const log = openSync(join(context.home, "logs", "supervisor.log"), "a", 0o600);
  const args = [
    join(context.root, "apps/cli/src/main.ts"),
    "--home",
    context.home,
    "up",
    "--port",
    String(ports.control),
    "--gateway-port",
    String(ports.gateway),
    ...(ports.grpc === undefined ? [] : ["--grpc-port", String(ports.grpc)]),
    "--gateways",
    String(ports.gateways),
  ];
  const child = spawn(process.execPath, args, {
    cwd: context.cwd,
    env: { ...context.env },
    detached: true,
    stdio: ["ignore", log, log],
  });
  const ends: string[] = [];
  child.once("exit", (code, signal) => ends.push(signal ?? `exit code ${code}`));
  child.once("error", (error) => ends.push(error.message));
  const state = await untilReady(context.home, () => ends[0]);
  child.unref();
  return state;
}

/** Asks the supervisor to stop and waits for it; false when nothing runs, not even what a killed one left behind. */
export async function stopUp(home: string): Promise<boolean> {
  const state = readLastState(home);
  if (!state || !isAlive(state.supervisor)) return (await endOrphans(home)).length > 0;
  process.kill(state.supervisor.pid, "SIGTERM");
  while (isAlive(state.supervisor)) await delay(50);
  return true;
}

/** `ended` says how the supervisor ended, once it has: then nothing is waited for any longer. */
async function untilReady(home: string, ended: () => string | undefined): Promise<RunState> {
  const deadline = performance.now() + startLimitMs;
  while (performance.now() < deadline) {
    const state = readRunState(home);
    if (state) return state;
    const end = ended();
    if (end !== undefined) {
      throw new PortolanError<CliErrorCode>("cli.process_failed", {
        detail: `portolan up ended at once (${end}): ${lastSentence(join(home, "logs", "supervisor.log"))}`,
        mend: "See more with: portolan logs supervisor",
      });
    }
    await delay(50);
  }
  throw new PortolanError<CliErrorCode>("cli.process_failed", {
    detail: `nothing was ready within ${startLimitMs / 1000} s`,
    mend: "See what it waits for with: portolan logs supervisor",
  });
}

function requireStopped(home: string): void {
  const state = readLastState(home);
  if (state && isAlive(state.supervisor))
    throw alreadyRunning(home, `runs: supervisor ${state.supervisor.pid}, ${state.controlUrl}`);
}

function alreadyRunning(home: string, how: string): PortolanError<CliErrorCode> {
  return new PortolanError<CliErrorCode>("cli.already_running", {
    detail: `another portolan up of ${home} ${how}`,
    mend: "Use it as it is, stop it with portolan down, or choose another folder with --home.",
  });
}

/** Resolves at the first SIGINT or SIGTERM. */
export function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    process.once("SIGINT", () => resolve());
    process.once("SIGTERM", () => resolve());
  });
}
