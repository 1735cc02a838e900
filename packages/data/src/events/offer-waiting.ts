import type { CallContext } from "@portolan/kernel";
import type { AcceptedPlace } from "../ports.ts";
import { doorMoment, doorValidators, judged, waitingPage as page } from "./accepted-history.ts";
import { waitingLines } from "./event-store.ts";
import type { EventDeps } from "./receive-events.ts";

/** Offers what waits at a place once more to who takes events early: after a start, or when it missed some. */
export async function offerWaiting(deps: EventDeps, call: CallContext, place: AcceptedPlace): Promise<void> {
  const validatorOf = await doorValidators(deps, call, place);
  for (let after = 0; ; ) {
    const from = after;
    const lines = await deps.uow.read(call, (sql) => waitingLines(sql, place, from, page));
    for (const { seq, receivedAt, line } of lines) {
      const rows = judged(await validatorOf(receivedAt), {
        line,
        accepted: seq,
        asOf: doorMoment(deps, receivedAt),
      });
      await deps.early?.take(place, { acceptedAt: receivedAt, bytes: line.length, rows });
    }
    const last = lines.at(-1);
    if (!last || lines.length < page) return;
    after = last.seq;
  }
}
