import type { Clock, EpochMicros } from "@portolan/kernel";

/** What was known of a snapshot's age when it was written down, so that a restart does not make it younger. */
export interface AgeNote {
  readonly version: number;
  readonly ageMs: number;
  /** Wall clock, epoch microseconds. */
  readonly at: number;
}

/**
 * Age of a snapshot in milliseconds, from now on. The wall clock is asked once, when the snapshot comes into force;
 * from then on the monotonic one counts, so that a clock that is set neither ends a valid snapshot nor prolongs an old
 * one. A restart has nothing but the wall clock; the note keeps one that was set back from gaining time.
 */
export function startAge(
  clock: Clock,
  snapshot: { readonly version: number; readonly createdAt: number },
  note?: AgeNote,
): () => number {
  const now = clock.now();
  const noted = note?.version === snapshot.version ? note.ageMs + Math.max(0, (now - note.at) / 1000) : 0;
  const initial = Math.max(0, noted, (now - snapshot.createdAt) / 1000);
  const from = clock.monotonicNanos();
  return () => initial + Number(clock.monotonicNanos() - from) / 1e6;
}

export function noteAge(version: number, ageMs: number, at: EpochMicros): AgeNote {
  return { version, ageMs: Math.round(ageMs), at };
}

/** `undefined` for anything else than a note, as a damaged file gives it: the wall clock then stands alone. */
export function readAgeNote(value: unknown): AgeNote | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { version, ageMs, at } = value as Partial<Record<keyof AgeNote, unknown>>;
  return typeof version === "number" && typeof ageMs === "number" && typeof at === "number"
    ? { version, ageMs, at }
    : undefined;
}
