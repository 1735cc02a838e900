import type { CallContext, Clock, UnitOfWork } from "@portolan/kernel";
import type { ScoringRequest } from "./contract.ts";
import { withinLimit } from "./time-limit.ts";
import { type ChunkTry, noteTry, openTry } from "./try-store.ts";

interface TryDeps {
  readonly work: UnitOfWork;
  readonly clock: Clock;
}

export interface TryAsked {
  readonly runId: string;
  readonly chunk: number;
  readonly request: Pick<ScoringRequest, "resources">;
  /** Of the chunks that are kept. */
  readonly workedMicros: number;
  readonly signal: AbortSignal;
  /** How often its time is noted: as much of it a `kill -9` loses at most. Five seconds by default. */
  readonly noteEveryMs?: number;
}

interface Tried<T> {
  readonly scored: T;
  readonly workedMicros: number;
  /** Of a scoring that has a time limit: counted until whoever keeps the chunk ends it. */
  readonly counted?: ChunkTry;
}

const defaultNoteMs = 5_000;

/**
 * Scores a chunk within what is left of the scoring's time. Of that, tries that failed, were put off or were killed used their part, too: their time is kept as
 * long as their chunk is not.
 *
 * @throws PortolanError `scoring.time_limit_passed`; what `score` throws
 */
export async function tryWithinLimit<T>(
  { work, clock }: TryDeps,
  call: CallContext,
  { runId, chunk, request, workedMicros, signal, noteEveryMs = defaultNoteMs }: TryAsked,
  score: (signal: AbortSignal) => Promise<T>,
): Promise<Tried<T>> {
  const began = clock.now();
  const worked = (): number => Math.max(0, clock.now() - began);
  if (request.resources?.timeLimitSeconds === undefined) {
    const scored = await score(signal);
    return { scored, workedMicros: worked() };
  }
  const { opened, earlierMicros } = await work.write(call, (tx) => openTry(tx.sql, { runId, chunk }));
  let noted: Promise<void> = Promise.resolve();
  const note = (): Promise<void> => {
    const micros = worked();
    // The database may be away for a moment: the next one has it all.
    noted = noted
      .then(() => work.write(call, (tx) => noteTry(tx.sql, opened, micros)))
      .catch(() => undefined);
    return noted;
  };
  const noting = setInterval(() => void note(), noteEveryMs);
  try {
    const scored = await withinLimit(request, workedMicros + earlierMicros, signal, score);
    return { scored, workedMicros: worked(), counted: opened };
  } finally {
    clearInterval(noting);
    await note();
  }
}
