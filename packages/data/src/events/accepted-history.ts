import { setImmediate as nextTurn } from "node:timers/promises";
import {
  asPlace,
  type CallContext,
  type Digest,
  type Environment,
  locate,
  type PlaceDirectory,
} from "@portolan/kernel";
import { getContract } from "../contracts/contract-store.ts";
import { requireContract } from "../contracts/require-contract.ts";
import { findIngestion } from "../ingestion/ingestion-store.ts";
import { ingestionPlace } from "../ingestion/read-ingestion.ts";
import type { RowValidator } from "../judging/validate-row.ts";
import type { AcceptedHistory, AcceptedPlace, AcceptedRow } from "../ports.ts";
import { eventLine } from "./event-line.ts";
import { sizeOfWaiting, type Waiting, waitingLines } from "./event-store.ts";
import { windowEnd, windowOf, windowStart } from "./keep-events.ts";
import { type ValidatorDeps, validatorAt } from "./validator-at.ts";

/** Events that are judged again at once. */
export const waitingPage = 1000;

export interface HistoryDeps extends ValidatorDeps {
  readonly places: PlaceDirectory;
  /** Events of so long a time become one batch. */
  readonly eventWindowMs: number;
}

/** Reads accepted events again: those of a batch from its source, those that wait from the database. Each is judged as the door judged it. */
export function createAcceptedHistory(deps: HistoryDeps): AcceptedHistory {
  return {
    ofBatch: (call, batch) => batchRows(deps, call, batch),
    waiting: (call, place, most) => waitingRows(deps, call, place, most),
  };
}

async function batchRows(
  deps: HistoryDeps,
  call: CallContext,
  { ingestionId, numbers }: Parameters<AcceptedHistory["ofBatch"]>[1],
): Promise<readonly AcceptedRow[] | undefined> {
  const { organisationId } = call.actor;
  const found = await deps.uow.read(call, async (sql) => {
    const ingestion = await findIngestion(sql, organisationId, ingestionId);
    return ingestion && { ingestion, contract: await getContract(sql, organisationId, ingestion.contractId) };
  });
  const source = found?.ingestion.sources.find(({ format }) => format === "events");
  const digest = source && "object" in source ? (source.object as Digest) : undefined;
  if (!found || !digest || !(await deps.objects.has(digest))) return undefined;
  const text = new TextDecoder().decode(await deps.objects.get(digest));
  const lines = text.split("\n").filter((line) => line !== "");
  const all = numbers.flatMap(([first, last]) =>
    Array.from({ length: last - first + 1 }, (_, index) => first + index),
  );
  // Lines that were erased say nothing of which numbers are left.
  if (lines.length !== all.length) return undefined;
  const { asOf = found.ingestion.startedAt, referencesAt: moment = asOf } = found.ingestion;
  const place = {
    ...ingestionPlace(found.ingestion),
    ...(await locate(deps.places, organisationId, asPlace(found.ingestion))),
  };
  const validator = await validatorAt(deps, call, { contract: found.contract, place, moment });
  return judgedAll(
    validator,
    lines.map((line, index) => ({ line, accepted: all[index] ?? 0, asOf })),
  );
}

async function waitingRows(
  deps: HistoryDeps,
  call: CallContext,
  place: AcceptedPlace,
  most: Waiting,
): Promise<readonly AcceptedRow[] | undefined> {
  const size = await deps.uow.read(call, (sql) => sizeOfWaiting(sql, place, most.events + 1));
  if (size.events > most.events || size.bytes > most.bytes) return undefined;
  const validatorOf = await doorValidators(deps, call, place);
  const rows: AcceptedRow[] = [];
  for (let after = 0, left = most; ; ) {
    const from = after;
    const lines = await deps.uow.read(call, (sql) => waitingLines(sql, place, from, waitingPage));
    const bytes = lines.reduce((sum, { line }) => sum + Buffer.byteLength(line), 0);
    left = { events: left.events - lines.length, bytes: left.bytes - bytes };
    // More came since they were counted.
    if (left.events < 0 || left.bytes < 0) return undefined;
    for (const { seq, receivedAt, line } of lines)
      rows.push(
        ...judged(await validatorOf(receivedAt), { line, accepted: seq, asOf: doorMoment(deps, receivedAt) }),
      );
    const last = lines.at(-1);
    if (!last || lines.length < waitingPage) return rows;
    after = last.seq;
    await nextTurn();
  }
}

interface KeptEvent {
  readonly line: string;
  readonly accepted: number;
  /** As of when it is judged, epoch microseconds. */
  readonly asOf: number;
}

/** A page at a time: the caller's thread serves others too. */
async function judgedAll(validator: RowValidator, events: readonly KeptEvent[]): Promise<AcceptedRow[]> {
  const rows: AcceptedRow[] = [];
  for (let from = 0; from < events.length; from += waitingPage) {
    for (const event of events.slice(from, from + waitingPage)) rows.push(...judged(validator, event));
    await nextTurn();
  }
  return rows;
}

/**
 * What events of a place are judged by now, as the door judges what is received at a moment (epoch microseconds).
 *
 * @throws PortolanError `data.contract_not_found`
 */
export async function doorValidators(
  deps: HistoryDeps,
  call: CallContext,
  { contract: name, environment, useCaseId }: AcceptedPlace,
): Promise<(receivedAt: number) => Promise<RowValidator>> {
  const { organisationId } = call.actor;
  const place = {
    environment: environment as Environment,
    ...(await locate(deps.places, organisationId, { useCaseId })),
  };
  const contract = await deps.uow.read(call, (sql) => requireContract(sql, organisationId, place, name));
  const byWindow = new Map<number, Promise<RowValidator>>();
  return (receivedAt) => {
    const window = windowOf(receivedAt, deps.eventWindowMs);
    const moment = windowStart(window, deps.eventWindowMs);
    const known = byWindow.get(window) ?? validatorAt(deps, call, { contract, place, moment });
    byWindow.set(window, known);
    return known;
  };
}

/** As of when the door judges what is received at a moment: the end of its window. */
export function doorMoment(
  { eventWindowMs }: Pick<HistoryDeps, "eventWindowMs">,
  receivedAt: number,
): number {
  return windowEnd(windowOf(receivedAt, eventWindowMs), eventWindowMs);
}

/** An event that is kept, as a row; none where its contract refuses it, or it is no event. */
export function judged(validator: RowValidator, { line, accepted, asOf }: KeptEvent): AcceptedRow[] {
  const { members } = eventLine(line, { source: "", position: "" });
  if (!members) return [];
  const { values, violations } = validator.judgeJson(members, asOf);
  return violations.length === 0 ? [{ accepted, values }] : [];
}
