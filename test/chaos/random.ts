import { systemClock } from "@portolan/kernel";

const dayMicros = 86_400_000_000;

/**
 * What the fuzzers send: `PORTOLAN_CHAOS_SEED`, or else the day (days since 1970), so that each day's runs look elsewhere and all of one day at the
 * same. They print it.
 */
export function fuzzSeed(): number {
  const stated = process.env["PORTOLAN_CHAOS_SEED"];
  return stated === undefined ? Math.floor(systemClock.now() / dayMicros) : Number(stated);
}

/** Mulberry32: small, seeded, good enough to spread kill times. A failure is run again with PORTOLAN_CHAOS_SEED. */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
