import type { LayeredLimit, Taken } from "./layered-limit.ts";

/** An estimate that was taken, to be settled once with what was used. */
export interface TokenReservation {
  /**
   * Replaces the estimate by the real usage. Calls after the first change nothing, so that a stream may settle at its
   * end and again when it breaks.
   */
  settle(nowMs: number, usedTokens: number): void;
}

/** What a text request may use at most, before anybody knows: its prompt, and the longest answer that it allows. */
export interface TokenEstimate {
  readonly promptTokens: number;
  readonly maxTokens: number;
}

/** What a request takes out of a budget before it goes out, in tokens. At least one. */
export function tokenCost({ promptTokens, maxTokens }: TokenEstimate): number {
  return Math.max(1, promptTokens + maxTokens);
}

/**
 * Tokens that were taken for a request whose usage is known afterwards. When it is back the real usage is settled: more becomes a debt that is
 * paid off before the next request passes, less is given back, over all gateways that count together.
 * @param takenTokens what the limit let pass
 */
export function reservationOf(
  limit: LayeredLimit,
  takenTokens: number,
  { isExcess }: Pick<Taken, "isExcess">,
): TokenReservation {
  let isSettled = false;
  return {
    settle(atMs, usedTokens) {
      if (isSettled) return;
      isSettled = true;
      limit.settle(atMs, takenTokens, Math.max(0, usedTokens), isExcess);
    },
  };
}
