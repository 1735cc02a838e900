import { addMicros, type Clock, type EpochMicros, parseInstant } from "@portolan/kernel";

/** A clock that moves only when told. */
export interface FakeClock extends Clock {
  /** Moves on by microseconds; wall clock and monotonic clock together. */
  advance(micros: number): void;
  set(instant: EpochMicros): void;
}

/** Starts at an RFC 3339 instant; by default one that no test should depend on. */
export function fakeClock(start = "2026-03-02T09:00:00Z"): FakeClock {
  let now = parseInstant(start);
  let monotonic = 0n;
  return {
    now: () => now,
    monotonicNanos: () => monotonic,
    advance: (micros) => {
      now = addMicros(now, micros);
      monotonic += BigInt(micros) * 1000n;
    },
    set: (instant) => {
      now = instant;
    },
  };
}
