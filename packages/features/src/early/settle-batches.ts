import type { CallContext, UnitOfWork } from "@portolan/kernel";
import type { AcceptedRange, EarlyValues, OnlineStore } from "../ports.ts";
import type { Followed } from "./early-events.ts";
import { type EarlyBatch, noteSettled, openBatches, waitingNumbers } from "./early-store.ts";

/** A batch may come to light so much later than it ended: clocks of processes differ, and transactions take their time. */
const lateMicros = 3_600_000_000;

export interface SettleDeps {
  readonly uow: UnitOfWork;
  readonly online: OnlineStore;
  readonly early: EarlyValues;
}

/**
 * Takes out what is early of batches that have ended: the log's fold has them, or they published nothing. In this order: a crash in between has it done
 * again.
 *
 * @param firstHeld asked once the batches are known: events from this number on are on their way to the store: their batches wait
 * @param from what ended before needs no look; epoch microseconds
 * @returns from when on the next look has to look
 */
export async function settleBatches(
  deps: SettleDeps,
  call: CallContext,
  followed: Followed,
  { firstHeld, from, now }: { readonly firstHeld: () => number; readonly from: number; readonly now: number },
): Promise<number> {
  const batches = await deps.uow.read(call, (sql) => openBatches(sql, followed.log, from));
  let settledTo = now;
  for (const batch of batches) {
    const isHeld = batch.numbers.some(([, last]) => last >= firstHeld());
    if (!isHeld && (await settle(deps, call, followed, batch))) continue;
    settledTo = Math.min(settledTo, batch.finishedAt ?? now);
  }
  return settledTo - lateMicros;
}

async function settle(
  { uow, online, early }: SettleDeps,
  call: CallContext,
  { log, header }: Followed,
  { end, ...batch }: EarlyBatch,
): Promise<boolean> {
  if (!end) return false;
  const position = await online.foldPosition(header);
  if (position?.log !== log.id || position.sequence < (end.lastSequence ?? 0)) return false;
  await early.settle(header, batch.numbers);
  await uow.write(call, (tx) => noteSettled(tx.sql, log, { ...batch, end }, tx.now));
  return true;
}

/**
 * Takes out lines whose event is nowhere any more: it was erased while it waited, or its batch ended while nobody looked.
 *
 * @param before lines that were accepted later are let be: their event may not be visible yet; epoch microseconds
 */
export async function dropStrays(
  { uow, early }: SettleDeps,
  call: CallContext,
  { log, header }: Followed,
  before: number,
): Promise<void> {
  const lines = (await early.waiting(header)).filter(({ acceptedAt }) => acceptedAt < before);
  if (lines.length === 0) return;
  const { waiting, open } = await uow.read(call, async (sql) => ({
    waiting: await waitingNumbers(sql, log),
    open: await openBatches(sql, log),
  }));
  const ranges = open.flatMap(({ numbers }) => numbers);
  const strays = lines
    .filter(({ accepted }) => !waiting.has(accepted) && !isWithin(ranges, accepted))
    .map(({ accepted }): AcceptedRange => [accepted, accepted]);
  if (strays.length > 0) await early.settle(header, strays);
}

function isWithin(ranges: readonly AcceptedRange[], number: number): boolean {
  return ranges.some(([first, last]) => number >= first && number <= last);
}
