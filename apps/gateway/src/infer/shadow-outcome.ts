import type { RunOutcome } from "@portolan/serving/policy";

type NoAnswer = Exclude<RunOutcome, { readonly kind: "ok" }>;

/** A copy goes behind every caller's request: one that never had its turn says nothing about the model. */
export function hadNoTurn(outcome: NoAnswer): boolean {
  return outcome.kind === "overloaded" || (outcome.kind === "timeout" && outcome.ranMs === 0);
}

/** Why a shadow's record has no answer; `shadow overloaded` is no failure of its version. */
export function shadowReason(outcome: NoAnswer): string {
  return `shadow ${hadNoTurn(outcome) ? "overloaded" : outcome.kind}`;
}
