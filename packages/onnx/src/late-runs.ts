/** Two late runs in a row are a busy moment; a third with no answer in time between is a model that is too slow where it is. */
const lateAllowed = 2;

/** At least so long a run may go on beyond its deadline on a machine that is busy with other things, milliseconds. */
const leastPatienceMs = 1000;

/** What late runs say about a model that runs where nothing can end it: a machine that is busy with other things makes runs late, too. */
export class LateRuns {
  #inARow = 0;

  inTime(): void {
    this.#inARow = 0;
  }

  /** @returns whether the model is to be moved for it */
  late(): boolean {
    this.#inARow++;
    return this.#inARow > lateAllowed;
  }
}

/** How long after its deadline a run that has not ended counts as one that never will, milliseconds. */
export function patienceMs(timeoutMs: number): number {
  return Math.max(timeoutMs, leastPatienceMs);
}
