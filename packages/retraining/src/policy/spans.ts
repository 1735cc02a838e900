/** [from, to) in event time, epoch microseconds. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

export interface SpanQuestion {
  /** What the champion learned from. */
  readonly champion: Span;
  /** Event times of the newest validated rows, both inclusive. */
  readonly newest: { readonly first: number; readonly last: number };
  /** How long the rows are that are learned from; absent: as long as the champion's. */
  readonly trainingMs?: number;
  /** Share of the rows that is held out, in (0, 1). */
  readonly heldOutShare: number;
}

export type ChosenSpans =
  | { readonly kind: "chosen"; readonly training: Span; readonly heldOut: Span }
  | { readonly kind: "nothing"; readonly because: string };

/**
 * What is learned from and what is judged by: the newest rows are held out, and none of them is older than what either version learned from; what
 * is learned from ends where they begin. Pure.
 */
export function chooseSpans({ champion, newest, trainingMs, heldOutShare }: SpanQuestion): ChosenSpans {
  const end = newest.last + 1;
  if (end <= champion.to)
    return { kind: "nothing", because: "no validated row is newer than what the champion learned from" };
  const length = trainingMs === undefined ? champion.to - champion.from : trainingMs * 1000;
  const wanted = Math.max(1, Math.round((length * heldOutShare) / (1 - heldOutShare)));
  const from = Math.max(end - wanted, champion.to);
  const heldOut = { from, to: end };
  const training = { from: Math.max(from - length, newest.first), to: from };
  if (training.from >= training.to)
    return { kind: "nothing", because: "no validated row is older than those that are held out" };
  if (training.from === champion.from && training.to === champion.to)
    return { kind: "nothing", because: "the rows to learn from are those that the champion learned from" };
  return { kind: "chosen", training, heldOut };
}
