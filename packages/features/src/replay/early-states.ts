import type { AcceptedRange } from "../ports.ts";
import { clockSlackMicros, type OnlineRun, onlineAt } from "./online-at.ts";
import type { ReplayRequest } from "./replay-resources.ts";

/** Events that counted online before the log had them: a batch, or what waits for its batch. Times are of the wall clock, epoch microseconds. */
export interface EarlyRun {
  /** Absent of what waits; of a batch the numbers of its events, where they are known. */
  readonly batch?: { readonly ingestionId: string; readonly numbers: readonly AcceptedRange[] | undefined };
  readonly firstAt: number;
  /** Null while they still do. */
  readonly settledAt: number | null;
}

/** Why it cannot be told what was online of a row. */
export const undecidedReasons = [
  /** It is forgotten which events were early then. */
  "forgotten",
  /** Events that may have counted are not kept any more: their batch's source is gone, or some of it was erased. */
  "source_gone",
  /** More events that touch the row may have counted than are gone through, or more batches were being taken out. */
  "too_many_events",
] as const;
export type UndecidedReason = (typeof undecidedReasons)[number];

/** One row's share of what was early when it was served. */
export interface EarlyRow<Fold extends OnlineRun = OnlineRun> {
  /** The row's place in the request. */
  readonly of: number;
  /** What may have been folded. */
  readonly folds: readonly Fold[];
  /** Places of runs in the list of all: those that surely counted, and those that were being taken out about then. */
  readonly counted: readonly number[];
  readonly leaving: readonly number[];
}

/**
 * Of which rows some events were early. Pure.
 *
 * @param knownFrom what was settled before is forgotten: rows that were served before are undecided; epoch microseconds
 */
export function earlyRows<Fold extends OnlineRun>(
  rows: ReplayRequest["rows"],
  folds: readonly Fold[],
  runs: readonly EarlyRun[],
  knownFrom: number,
): { readonly early: EarlyRow<Fold>[]; readonly undecided: Map<number, UndecidedReason> } {
  const early: EarlyRow<Fold>[] = [];
  const undecided = new Map<number, UndecidedReason>();
  for (const [of, { servedAt }] of rows.entries()) {
    const online = onlineAt(folds, servedAt);
    if (online.length === 0) continue;
    if (servedAt - clockSlackMicros < knownFrom) undecided.set(of, "forgotten");
    const counted: number[] = [];
    const leaving: number[] = [];
    for (const [place, { firstAt, settledAt }] of runs.entries()) {
      if (firstAt - clockSlackMicros > servedAt) continue;
      if (settledAt === null || servedAt < settledAt - clockSlackMicros) counted.push(place);
      else if (servedAt <= settledAt + clockSlackMicros) leaving.push(place);
    }
    if (counted.length + leaving.length > 0) early.push({ of, folds: online, counted, leaving });
  }
  return { early, undecided };
}

/** An event that changes what is online of a row. */
export interface Touch {
  /** Its number among all accepted events. */
  readonly accepted: number;
  /** Place of its run. */
  readonly run: number;
}

/** What may have been online of a row: what was folded, and of these runs the events up to a number. */
export interface EarlyState<Fold extends OnlineRun = OnlineRun> {
  readonly fold: Fold;
  readonly upTo: number;
  readonly runs: readonly number[];
}

/** States of one row that are gone through. */
export const mostStates = 96;

/**
 * What may have been online of a row beside what was folded: as events count in the order in which they were accepted, there is a state after each of
 * them; of batches that were being taken out about then, one with them and one without. Undefined where they are too many. Pure.
 *
 * @param touches events of the row's runs that touch it, in any order
 */
export function statesOf<Fold extends OnlineRun>(
  { folds, counted, leaving }: EarlyRow<Fold>,
  touches: readonly Touch[],
): EarlyState<Fold>[] | undefined {
  const own = touches.toSorted((one, other) => one.accepted - other.accepted);
  // A run without an event that touches the row makes no other state.
  const touched = new Set(own.map(({ run }) => run));
  const left = leaving.filter((run) => touched.has(run));
  if (folds.length * 2 ** left.length * own.length > mostStates) return undefined;
  const states: EarlyState<Fold>[] = [];
  for (const stays of subsetsOf(left)) {
    const runs = [...counted.filter((run) => touched.has(run)), ...stays];
    for (const { accepted } of own.filter(({ run }) => runs.includes(run)))
      for (const fold of folds) states.push({ fold, upTo: accepted, runs });
  }
  return states;
}

function subsetsOf(all: readonly number[]): number[][] {
  return all.reduce<number[][]>((some, one) => [...some, ...some.map((subset) => [...subset, one])], [[]]);
}
