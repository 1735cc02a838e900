import { type Clock, type EpochMicros, type Logger, parseHttpDate } from "@portolan/kernel";

/** A message takes no longer than this on its way; an answer that was waited for was written when the wait ended. */
const longestWayMicros = 2_000_000;
/** A `Date` says the second in which it was written. */
const secondMicros = 1_000_000;
/** From this far on the log says it. */
const farMicros = 5_000_000;

/**
 * How far this machine's clock is from control's, by the `Date` of control's answers: what is certain of it, so that a slow network is no
 * clock that is wrong. Records carry this machine's time: by it they are counted into windows of drift and hours of performance.
 */
export class ClockOffset {
  readonly #clock: Pick<Clock, "now">;
  readonly #log: Logger;
  #micros: number | undefined;
  #isFar = false;

  constructor(clock: Pick<Clock, "now">, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  /** Seconds; more than 0: this clock is ahead. `undefined` before the first answer. */
  get seconds(): number | undefined {
    return this.#micros === undefined ? undefined : this.#micros / 1e6;
  }

  now(): EpochMicros {
    return this.#clock.now();
  }

  /** @param date the header of an answer that was asked for at `askedAt` and has just come */
  note(date: string | null, askedAt: EpochMicros): void {
    const written = date === null ? undefined : parseHttpDate(date);
    if (written === undefined) return;
    this.#micros = certainOffset({ askedAt, answeredAt: this.now(), written });
    const isFar = Math.abs(this.#micros) >= farMicros;
    if (isFar === this.#isFar) return;
    this.#isFar = isFar;
    if (isFar) this.#log.warn({ seconds: this.seconds }, "gateway.clock.far_from_control");
    else this.#log.info({}, "gateway.clock.near_control");
  }
}

/**
 * The smallest distance between two clocks that explains an exchange, in microseconds; 0 where they may be the same. Pure.
 *
 * @param exchange both ends on our clock; `written`: the whole second, on theirs, in which the answer was written
 */
export function certainOffset(exchange: {
  readonly askedAt: number;
  readonly answeredAt: number;
  readonly written: number;
}): number {
  const { askedAt, answeredAt, written } = exchange;
  const earliest = Math.max(askedAt, answeredAt - longestWayMicros);
  const least = earliest - (written + secondMicros);
  const most = answeredAt - written;
  if (least > 0) return least;
  return most < 0 ? most : 0;
}
