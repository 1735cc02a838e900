import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { endOrphan } from "@portolan/database/embedded";
import { isAlive, type ProcessIdentity } from "@portolan/kernel";
import { readLastState, removeRunState } from "./state-file.ts";

/** From SIGTERM to SIGKILL, as at an ordinary stop. */
const graceMs = 10_000;

/**
 * Ends what a killed supervisor left running: until then the gateway goes on serving and control goes on working,
 * but nobody would start them again. Callers first, as at an ordinary stop. Resolves to the names that it ended.
 */
export async function endOrphans(home: string): Promise<string[]> {
  const state = readLastState(home);
  if (!state || isAlive(state.supervisor)) return [];
  const ended: string[] = [];
  const gateways = Object.keys(state.processes).filter((name) => /^gateway(-\d+)?$/.test(name));
  for (const name of [...gateways, "control"]) {
    const orphan = state.processes[name];
    if (!orphan || !isAlive(orphan)) continue;
    await end(orphan);
    ended.push(name);
  }
  const postgres = state.processes["postgres"];
  if (postgres && isAlive(postgres)) {
    await endOrphan(join(home, "postgres", "data"));
    ended.push("postgres");
  }
  removeRunState(home);
  return ended;
}

async function end(orphan: ProcessIdentity): Promise<void> {
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    try {
      process.kill(orphan.pid, signal);
    } catch {
      return; // it ended by itself
    }
    for (let waitedMs = 0; waitedMs < graceMs; waitedMs += 20) {
      if (!isAlive(orphan)) return;
      await delay(20);
    }
  }
}
