import type { RetrainingTerms } from "../contract.ts";

/** A mature window of outcomes of one version; later windows come later in a list. */
export interface AccuracyWindow {
  /** Arrival of its first predictions, epoch microseconds. */
  readonly start: number;
  readonly value: number;
  /** Ends of its interval. */
  readonly low: number;
  readonly high: number;
  readonly labels: number;
}

type AccuracyTerms = NonNullable<RetrainingTerms["accuracy"]>;

/** What windows say of an accuracy. */
export interface AccuracyStanding {
  /** Enough windows lie wholly beyond the level, and it has not recovered since. */
  readonly isOpen: boolean;
  /** In enough windows the figure itself is beyond the level, though its interval need not be: harm is likely, not shown. */
  readonly isWeak: boolean;
}

/**
 * Opens when `least` of the last `of` windows lie with their whole interval beyond the level, and closes only when as many are back on the right
 * side of the other level. As `least` is more than half, the same windows never say both: what they open they do not close. Pure.
 *
 * @param wasOpen as it stood before these windows were looked at
 * @param windows the oldest first
 */
export function judgeAccuracy(
  wasOpen: boolean,
  windows: readonly AccuracyWindow[],
  { kind, open, close }: Pick<AccuracyTerms, "kind" | "open" | "close">,
  { of, least }: RetrainingTerms["windows"],
): AccuracyStanding {
  const last = windows.slice(-of);
  const sign = kind === "floor" ? 1 : -1;
  const count = (holds: (window: AccuracyWindow) => boolean): boolean => last.filter(holds).length >= least;
  const misses = count(({ low, high }) => sign * (kind === "floor" ? high : low) < sign * open);
  const recovered = count(({ value }) => sign * value >= sign * close);
  return {
    isOpen: wasOpen ? !recovered : misses,
    isWeak: count(({ value }) => sign * value < sign * open),
  };
}

/** What is known of drift: `unclear` leaves things as they are. */
export type DriftFinding = "drift" | "no_drift" | "unclear";

/** Verdicts of drift have passed two windows in a row already (docs/adr/0172): here they open and close. Pure. */
export function judgeDrift(wasOpen: boolean, found: DriftFinding): boolean {
  return found === "unclear" ? wasOpen : found === "drift";
}
