import {
  asPlace,
  type CallContext,
  type Clock,
  type Environment,
  locate,
  ownerOf,
  PortolanError,
  type Transaction,
} from "@portolan/kernel";
import { requireContract } from "../contracts/require-contract.ts";
import type { DataErrorCode } from "../errors.ts";
import type { IngestionDeps } from "../ingestion/start-ingestion.ts";
import type { RowVerdict } from "../judging/validate-row.ts";
import type { EarlyTaker } from "../ports.ts";
import type { Waiting } from "./event-store.ts";
import { inTurn } from "./in-turn.ts";
import { type JudgedEvents, judgeEvents } from "./judge-events.ts";
import { eventPlace, keepEvents, mostWaiting, windowEnd, windowOf, windowStart } from "./keep-events.ts";
import { validatorAt } from "./validator-at.ts";

export interface EventDeps extends IngestionDeps {
  readonly clock: Clock;
  /** Events of so long a time become one batch. */
  readonly eventWindowMs: number;
  /** Who wants accepted events before their batch; absent when nobody does. */
  readonly early?: EarlyTaker;
}

export interface NewEvents {
  readonly environment: Environment;
  readonly useCaseId?: string;
  /** JSON lines. */
  readonly body: string;
}

/**
 * Takes events in under the newest version of a contract. When it resolves they are on disk, with a job that makes a batch of them once their
 * window is over; the answer says of each what the batch will say.
 *
 * @throws PortolanError `data.contract_not_found`, `data.too_many_events`, `data.reference_too_large`
 */
export async function receiveEvents(
  deps: EventDeps,
  call: CallContext,
  name: string,
  input: NewEvents,
): Promise<Omit<JudgedEvents, "lines">> {
  const { organisationId } = call.actor;
  const { environment } = input;
  await deps.authorizer.require(call, "data:ingest", {
    type: "Contract",
    id: name,
    organisationId,
    environment,
    ...asPlace(input),
  });
  const place = {
    environment,
    ...(await locate(deps.places, organisationId, { useCaseId: input.useCaseId })),
  };
  await deps.residency.require(call, { environment, name: `events ${name}`, ...ownerOf(place) });
  const contract = await deps.uow.read(call, (sql) => requireContract(sql, organisationId, place, name));
  const window = windowOf(deps.clock.now(), deps.eventWindowMs);
  const moment = windowStart(window, deps.eventWindowMs);
  const validator = await validatorAt(deps, call, { contract, place, moment });
  const at = eventPlace(organisationId, name, place);
  const rows: { index: number; values: RowVerdict["values"] }[] = [];
  const isWanted = deps.early?.wants(at) === true;
  const { lines, ...judged } = await judgeEvents(validator, input.body, {
    source: call.requestId,
    onAccepted: isWanted ? (index, values) => void rows.push({ index, values }) : undefined,
    asOf: windowEnd(window, deps.eventWindowMs),
  });
  if (lines.length === 0) return judged;
  const keep = async (tx: Transaction) => {
    const { accepted, quarantined, deadLetters } = judged;
    const detail = { accepted, quarantined: quarantined.length, deadLetters: deadLetters.length };
    const windowMs = deps.eventWindowMs;
    const most = mostWaiting;
    const added = await keepEvents(tx, { contract, place, lines, detail, windowMs, most });
    if ("full" in added) throw tooMany(name, added.full);
    return { at: tx.now, numbers: added.numbers };
  };
  const kept = await inTurn(Object.values(at).join(":"), () => deps.uow.write(call, keep));
  await deps.early?.take(at, {
    acceptedAt: kept.at,
    bytes: input.body.length,
    rows: rows.map(({ index, values }) => ({ accepted: kept.numbers[index] ?? 0, values })),
  });
  return judged;
}

function tooMany(name: string, { events, bytes }: Waiting): PortolanError<DataErrorCode> {
  return new PortolanError("data.too_many_events", {
    detail: `${events} events of ${Math.round(bytes / 2 ** 20)} MiB under ${name} wait to become a batch`,
    mend: "Send them again after a minute.",
  });
}
