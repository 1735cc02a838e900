import type { DriftVerdict } from "../report-schema.ts";
import { driftPolicy } from "./policy.ts";

/** What a series of windows comes to. */
export interface Persistence {
  readonly verdict: DriftVerdict;
  /** It differs in the newest judged window, and not yet in enough of them in a row. */
  readonly suspected: boolean;
  /** Place of the first window in which it differed, of those in a row up to the newest judged one. */
  readonly sinceAt?: number;
  /** Place of the newest judged window. */
  readonly judgedAt?: number;
}

/**
 * Drift is what differs in so many judged windows in a row, up to the newest one. Windows with too few rows neither confirm nor end it.
 *
 * @param windows oldest first: whether it differs, or undefined where it was not judged
 * @param hasRows whether any row was counted at all
 */
export function persistenceOf(windows: readonly (boolean | undefined)[], hasRows: boolean): Persistence {
  const judged = windows.flatMap((differs, at) => (differs === undefined ? [] : [{ differs, at }]));
  const newest = judged.at(-1);
  if (!newest) return { verdict: hasRows ? "insufficient" : "not_counted", suspected: false };
  const lastEqual = judged.findLastIndex(({ differs }) => !differs);
  const since = judged[lastEqual + 1];
  const run = judged.length - 1 - lastEqual;
  const isDrift = run >= driftPolicy.consecutive;
  return {
    verdict: isDrift ? "drift" : "no_drift",
    suspected: run > 0 && !isDrift,
    ...(since ? { sinceAt: since.at } : {}),
    judgedAt: newest.at,
  };
}

/** Of several columns the worst: drift, then no drift, then what could not be judged. */
export function worstOf(verdicts: readonly DriftVerdict[]): DriftVerdict {
  const order: readonly DriftVerdict[] = ["drift", "no_drift", "insufficient", "not_counted"];
  return order.find((verdict) => verdicts.includes(verdict)) ?? "not_counted";
}
