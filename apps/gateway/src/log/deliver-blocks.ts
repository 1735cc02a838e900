import type { DeliverBlocks } from "@portolan/predictions/log";
import type { ControlClient } from "../control-client.ts";

/** Statuses that say nothing about the blocks: they are sent again. */
const passing: ReadonlySet<number> = new Set([401, 403, 404, 408, 429]);

/** Brings closed blocks to control. What it throws means "not reached", and the shipper tries again. */
export function createDelivery(control: ControlClient): DeliverBlocks {
  return async (bytes, signal) => {
    const { status, body } = await control.post("/v1/prediction-blocks", bytes, signal);
    const kind = typeof body === "object" && body !== null && "kind" in body ? body.kind : undefined;
    if (status === 200 && kind === "accepted") return { kind: "accepted" };
    if (status === 200 && kind === "gap") return { kind: "gap", ...lastOf(body) };
    if (status >= 500 || status === 200 || passing.has(status)) throw new Error(`control answered ${status}`);
    return { kind: "refused", reason: `control refused the blocks with ${status}` };
  };
}

function lastOf(body: unknown): { last?: { epoch: number; block: number } } {
  if (typeof body !== "object" || body === null || !("last" in body)) return {};
  const { last } = body;
  if (typeof last !== "object" || last === null || !("epoch" in last) || !("block" in last)) return {};
  const { epoch, block } = last;
  return typeof epoch === "number" && typeof block === "number" ? { last: { epoch, block } } : {};
}
