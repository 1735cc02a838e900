/** Something that brought values online: a fold of a log, or a materialisation. Times are of the wall clock, epoch microseconds. */
export interface OnlineRun {
  /** What was online when it had ended; never less than after the run before. */
  readonly position: number;
  readonly startedAt: number;
  /** Null while it runs, and of one that a crash ended. */
  readonly finishedAt: number | null;
}

/** Clocks of gateways and of control may differ by so much. */
export const clockSlackMicros = 1_000_000;

/**
 * The runs whose values may have been served at a moment: the last that had surely ended, and those that may have been at work, whose
 * effect lies somewhere between their start and their end. Empty when nothing was online. Pure.
 */
export function onlineAt<Run extends OnlineRun>(
  runs: readonly Run[],
  at: number,
  slackMicros = clockSlackMicros,
): Run[] {
  const begun = runs
    .filter(({ startedAt }) => startedAt - slackMicros <= at)
    .toSorted((one, other) => one.position - other.position || one.startedAt - other.startedAt);
  const ended = begun.findLastIndex(
    ({ finishedAt }) => finishedAt !== null && finishedAt + slackMicros <= at,
  );
  return begun.slice(Math.max(0, ended));
}
