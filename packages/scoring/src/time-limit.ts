import { formatDurationMs, PortolanError } from "@portolan/kernel";
import type { ScoringRequest } from "./contract.ts";
import type { ScoringErrorCode } from "./errors.ts";

/** `setTimeout` takes no more; a longer time is none. */
const longestMs = 2 ** 31 - 1;

/**
 * Scores a chunk within what is left of the scoring's time.
 *
 * @param workedMicros of the chunks before it
 * @throws PortolanError `scoring.time_limit_passed` at the limit, once the chunk has been stopped; what `score` throws
 */
export async function withinLimit<T>(
  { resources }: Pick<ScoringRequest, "resources">,
  workedMicros: number,
  signal: AbortSignal,
  score: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const seconds = resources?.timeLimitSeconds;
  if (seconds === undefined) return score(signal);
  const leftMs = Math.min(longestMs, seconds * 1000 - Math.ceil(workedMicros / 1000));
  if (leftMs <= 0) throw timeLimitPassed(seconds);
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), leftMs);
  try {
    return await score(AbortSignal.any([signal, late.signal]));
  } catch (error) {
    if (late.signal.aborted && !signal.aborted) throw timeLimitPassed(seconds);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

function timeLimitPassed(seconds: number): PortolanError<ScoringErrorCode> {
  return new PortolanError("scoring.time_limit_passed", {
    detail: `it worked for the ${formatDurationMs(seconds * 1000)} that were asked for, and is not done`,
    mend: "Score again with a longer time limit, or fewer rows.",
  });
}
