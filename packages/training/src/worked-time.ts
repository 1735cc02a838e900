/** A stretch of time in epoch microseconds. */
export interface Span {
  readonly since: number;
  readonly now: number;
}

/** When trainers of a run were at work. */
export interface WorkedRun {
  /** Of its starts, where they are on record: those on this machine. */
  readonly attempts: readonly { readonly from: number; readonly to: number }[];
  /** Of a run whose starts are not on record, as on another cluster; absent while it waits. */
  readonly whole?: { readonly from: number; readonly to: number };
}

/** How long trainers of a run were at work within a stretch, in microseconds; while it waited nobody was. Pure. */
export function workedMicros({ attempts, whole }: WorkedRun, { since, now }: Span): number {
  const spans = attempts.length > 0 || whole === undefined ? attempts : [whole];
  return spans.reduce((sum, { from, to }) => sum + Math.max(0, Math.min(to, now) - Math.max(from, since)), 0);
}
