/** Work on machines that may be taken away at any moment; times are in one unit. */
export interface Interruptions {
  /** Mean time between two of them, exponentially distributed. */
  readonly every: number;
  /** How long a checkpoint holds the work up. */
  readonly checkpoint: number;
  /** From an interruption until the work goes on from its last checkpoint. */
  readonly restart: number;
}

/**
 * Time between checkpoints that loses least, to first order: √(2·C·M) (J. W. Young, 1974, doi 10.1145/361147.361115). Where
 * checkpoints take so long that this is below one, one takes the whole of it.
 */
export function checkpointEvery({ every, checkpoint }: Interruptions): number {
  return Math.max(Math.sqrt(2 * checkpoint * every), checkpoint);
}

/**
 * Hours that are paid for an hour of work: checkpoints, work that is lost, and restarts, which may be interrupted themselves: with checkpoints after each τ
 * of work M·e^(R/M)·(e^((τ + C)/M) − 1) / τ (J. T. Daly, 2006, doi 10.1016/j.future.2004.11.016).
 */
export function paidPerHourOfWork(of: Interruptions, interval = checkpointEvery(of)): number {
  const { every, checkpoint, restart } = of;
  return (every * Math.exp(restart / every) * Math.expm1((interval + checkpoint) / every)) / interval;
}
