import type { LayeredLimit } from "./layered-limit.ts";

/** An estimate that was taken, to be settled once with what was used. */
export interface TokenReservation {
  /**
   * Replaces the estimate by the real usage. Calls after the first change nothing, so that a stream may settle at its
   * end and again when it breaks.
   */
  settle(nowMs: number, usedTokens: number): void;
}

export type TokenVerdict =
  | { readonly kind: "admitted"; readonly reservation: TokenReservation }
  | { readonly kind: "refused"; readonly retryAfterMs: number };

/** What a text request may use at most, before anybody knows: its prompt, and the longest answer that it allows. */
export interface TokenEstimate {
  readonly promptTokens: number;
  readonly maxTokens: number;
}

/**
 * Tokens of a request whose usage is known afterwards. The estimate is taken before the request goes out, the real usage settled when
 * it is back: more becomes a debt that is paid off before the next request passes, less is given back.
 * @param nowMs monotonic milliseconds
 */
export function reserveTokens(
  limit: LayeredLimit,
  nowMs: number,
  { promptTokens, maxTokens }: TokenEstimate,
): TokenVerdict {
  const estimate = Math.max(1, promptTokens + maxTokens);
  const waitMs = limit.take(nowMs, estimate);
  if (waitMs < 0) return { kind: "refused", retryAfterMs: -waitMs };
  let isSettled = false;
  return {
    kind: "admitted",
    reservation: {
      settle(atMs, usedTokens) {
        if (isSettled) return;
        isSettled = true;
        limit.settle(atMs, estimate, Math.max(0, usedTokens));
      },
    },
  };
}
