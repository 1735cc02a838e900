import type { CallContext, Environment } from "@portolan/kernel";
import { locate } from "@portolan/kernel";
import { requireContract } from "../contracts/require-contract.ts";
import type { AcceptedPlace } from "../ports.ts";
import { eventLine } from "./event-line.ts";
import { waitingLines } from "./event-store.ts";
import { windowEnd, windowOf } from "./keep-events.ts";
import { type EventDeps, validatorOf } from "./receive-events.ts";

/** Events that are judged again at once. */
const page = 1000;

/** Offers what waits at a place once more to who takes events early: after a start, or when it missed some. */
export async function offerWaiting(deps: EventDeps, call: CallContext, place: AcceptedPlace): Promise<void> {
  const { organisationId, contract: name, environment, useCaseId } = place;
  const at = {
    environment: environment as Environment,
    ...(await locate(deps.places, call.actor.organisationId, { useCaseId })),
  };
  const contract = await deps.uow.read(call, (sql) => requireContract(sql, organisationId, at, name));
  const validator = await validatorOf(deps, contract.digest, contract.body);
  for (let after = 0; ; ) {
    const from = after;
    const lines = await deps.uow.read(call, (sql) => waitingLines(sql, place, from, page));
    for (const { seq, receivedAt, line } of lines) {
      const { members } = eventLine(line, { source: "", position: "" });
      if (!members) continue;
      const asOf = windowEnd(windowOf(receivedAt, deps.eventWindowMs), deps.eventWindowMs);
      const { values, violations } = validator.judgeJson(members, asOf);
      const rows = violations.length === 0 ? [{ accepted: seq, values }] : [];
      await deps.early?.take(place, { acceptedAt: receivedAt, bytes: line.length, rows });
    }
    const last = lines.at(-1);
    if (!last || lines.length < page) return;
    after = last.seq;
  }
}
