import { readRunState } from "../supervisor/state-file.ts";
import { check, until } from "./narrator.ts";
import type { World } from "./world.ts";

/** When control was away, on the clock of `performance.now()`. */
export interface Outage {
  readonly from: number;
  readonly to: number;
}

/** Kills control as an out-of-memory killer would (SIGKILL), and waits until the one that is started in its place answers. */
export async function killControl({ context, state, cast }: World): Promise<Outage> {
  const before = readRunState(context.home)?.processes["control"];
  check(before !== undefined, "no control runs here that could be killed");
  if (before) process.kill(before.pid, "SIGKILL");
  const from = performance.now();
  await until(async () => {
    const now = readRunState(context.home)?.processes["control"];
    if (now === undefined || now.pid === before?.pid) return false;
    const answer = await fetch(`${state.controlUrl}/readyz`).catch(() => undefined);
    return answer?.ok === true;
  }, "control was not started again");
  await cast.as.lee.json({ path: "/v1/endpoints" });
  return { from, to: performance.now() };
}
