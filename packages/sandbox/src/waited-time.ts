/** How long threads waited, those that have ended included: what is kept is of the living alone, however many come and go. */
export class WaitedTime {
  #living: ReadonlyMap<string, number> = new Map();
  #ended = 0;

  /**
   * @param living what each thread that lives has waited so far, by its id, in microseconds
   * @returns of all that were ever seen
   */
  seen(living: ReadonlyMap<string, number>): number {
    for (const [thread, micros] of this.#living) {
      const now = living.get(thread);
      // Where it has waited for less than before, the kernel has given the id to another one.
      if (now === undefined || now < micros) this.#ended += micros;
    }
    this.#living = living;
    return [...living.values()].reduce((sum, micros) => sum + micros, this.#ended);
  }
}
