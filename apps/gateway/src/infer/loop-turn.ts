/**
 * How long what is handled now has waited for the event loop, at least: a turn of the loop handles all sockets that were ready when it began, one after
 * the other, so that the last of them has waited for as long as the turn has taken. No queue inside the process shows that wait.
 */
export class LoopTurn {
  #startMs: number | undefined;

  /** Milliseconds since this turn handled its first request. Call once per request. */
  waitedMs(nowMs: number): number {
    if (this.#startMs !== undefined) return nowMs - this.#startMs;
    this.#startMs = nowMs;
    setImmediate(() => {
      this.#startMs = undefined;
    });
    return 0;
  }
}
