import { Value } from "@portolan/typebox";
import { expect, test } from "vitest";
import { Outcome } from "./outcome-contract.ts";

const fits = (outcome: unknown): boolean =>
  Value.Check(Outcome, { predictionId: "prd_1", observedAt: "2026-11-24T08:00:00Z", outcome });

test("an outcome is a number, yes or no, a text, or the relevances of a list", () => {
  for (const outcome of [0, -2.5, true, "late", [0, 1], [0, 2, 0.5], Array.from({ length: 1000 }, () => 0)])
    expect(fits(outcome), JSON.stringify(outcome).slice(0, 40)).toBe(true);
});

test("no list is a single row, a relevance below nothing or none, or of a thousand and one", () => {
  const long = Array.from({ length: 1001 }, () => 0);
  for (const outcome of [[], [1], [0, -1], [0, "1"], [0, null], [[0, 1]], long, {}, null])
    expect(fits(outcome), JSON.stringify(outcome).slice(0, 40)).toBe(false);
});
