import { spawn } from "node:child_process";
import { mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { PortolanError } from "@portolan/kernel";
import type { CliContext } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import { openHome } from "./installation.ts";
import { requireFreePort } from "./ports.ts";
import { isAlive, type RunState, readRunState } from "./state-file.ts";
import { type Ports, Supervisor } from "./supervisor.ts";

/** Cold start of PostgreSQL (initdb) on a slow disk, and all else. */
const startLimitMs = 120_000;

/** Runs in the foreground until SIGINT or SIGTERM; resolves when everything has stopped. */
export async function runUp(context: CliContext, ports: Ports): Promise<RunState> {
  await requireStopped(context.home);
  await openHome(context.home);
  await requireFreePort("127.0.0.1", ports.control, "--port");
  await requireFreePort("127.0.0.1", ports.gateway, "--gateway-port");
  const supervisor = new Supervisor(context, ports);
  const stopped = stopSignal();
  try {
    const state = await supervisor.start();
    context.output.say(`control  ${state.controlUrl}  (API: ${state.controlUrl}/docs)`);
    context.output.say(`gateway  ${state.gatewayUrl}`);
    context.output.say("ready; stop with Ctrl-C");
    await stopped;
    return state;
  } finally {
    await supervisor.stop();
  }
}

/** Starts `portolan up` in the background and resolves once it is ready. */
export async function detach(context: CliContext, ports: Ports): Promise<RunState> {
  await requireStopped(context.home);
  await openHome(context.home);
  await requireFreePort("127.0.0.1", ports.control, "--port");
  await requireFreePort("127.0.0.1", ports.gateway, "--gateway-port");
  mkdirSync(join(context.home, "logs"), { recursive: true });
  const log = openSync(join(context.home, "logs", "supervisor.log"), "a", 0o600);
  const args = [
    join(context.root, "apps/cli/src/main.ts"),
    "--home",
    context.home,
    "up",
    "--port",
    String(ports.control),
  ];
  const child = spawn(process.execPath, [...args, "--gateway-port", String(ports.gateway)], {
    cwd: context.cwd,
    env: { ...context.env },
    detached: true,
    stdio: ["ignore", log, log],
  });
  const died = new Promise<string>((resolve) => {
    child.once("exit", (code, signal) => resolve(signal ?? `exit code ${code}`));
    child.once("error", (error) => resolve(error.message));
  });
  const state = await Promise.race([untilReady(context.home), died]);
  if (typeof state === "string") {
    throw new PortolanError<CliErrorCode>("cli.process_failed", {
      detail: `portolan up ended at once (${state})`,
      mend: "See why with: portolan logs supervisor",
    });
  }
  child.unref();
  return state;
}

/** Asks the supervisor to stop and waits for it; false when nothing runs. */
export async function stopUp(home: string): Promise<boolean> {
  const state = await readRunState(home);
  if (!state) return false;
  process.kill(state.supervisorPid, "SIGTERM");
  while (isAlive(state.supervisorPid)) await delay(50);
  return true;
}

async function untilReady(home: string): Promise<RunState> {
  const deadline = performance.now() + startLimitMs;
  while (performance.now() < deadline) {
    const state = await readRunState(home);
    if (state) return state;
    await delay(50);
  }
  throw new PortolanError<CliErrorCode>("cli.process_failed", {
    detail: `nothing was ready within ${startLimitMs / 1000} s`,
    mend: "See what it waits for with: portolan logs supervisor",
  });
}

async function requireStopped(home: string): Promise<void> {
  const state = await readRunState(home);
  if (state) {
    throw new PortolanError<CliErrorCode>("cli.already_running", {
      detail: `it already runs from ${home} (supervisor ${state.supervisorPid}, ${state.controlUrl})`,
      mend: "Use it as it is, stop it with portolan down, or choose another folder with --home.",
    });
  }
}

function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    process.once("SIGINT", () => resolve());
    process.once("SIGTERM", () => resolve());
  });
}
