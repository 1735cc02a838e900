import { expect, test } from "vitest";
import { judgePromotion, type PromotionEvidence, replacedChampion } from "./promotion.ts";

const passed = { gate: "accuracy-floor", passed: true, observed: "0.71", required: "0.60" };

function someEvidence(change: Partial<PromotionEvidence> = {}): PromotionEvidence {
  return {
    to: "production",
    gates: [passed],
    required: ["accuracy-floor"],
    promotedBefore: ["staging"],
    notEnforced: [],
    ...change,
  };
}

test("a version that passed its gates in staging goes to production", () => {
  expect(judgePromotion(someEvidence())).toEqual({ kind: "promoted", to: "production" });
});

test("dev takes anything", () => {
  expect(judgePromotion(someEvidence({ to: "dev", gates: [], promotedBefore: [] })).kind).toBe("promoted");
});

test("a model of research data goes to staging as any other", () => {
  expect(judgePromotion(someEvidence({ to: "staging", dataClass: "research" })).kind).toBe("promoted");
});

test.each<[string, Partial<PromotionEvidence>, string]>([
  ["a failed gate (G3)", { gates: [{ ...passed, passed: false }] }, "accuracy-floor"],
  ["a gate that was never evaluated (G3)", { gates: [] }, "accuracy-floor"],
  ["production before staging (G4)", { promotedBefore: ["dev"] }, "staging-first"],
  ["a model that learned from de-identified research data (G21)", { dataClass: "research" }, "data-class"],
  ["a demanded control that nothing enforces (G5)", { notEnforced: ["drift alerts"] }, "demanded-control"],
])("%s blocks production and is named", (_name, change, gate) => {
  const verdict = judgePromotion(someEvidence(change));
  expect(verdict).toMatchObject({ kind: "blocked", failures: [expect.objectContaining({ gate })] });
});

test("what production alone asks for keeps no version out of staging (G4, G5, G21)", () => {
  const evidence = { promotedBefore: [], notEnforced: ["drift alerts"], dataClass: "research" } as const;
  expect(judgePromotion(someEvidence({ ...evidence, to: "staging" })).kind).toBe("promoted");
  expect(judgePromotion(someEvidence(evidence))).toMatchObject({
    failures: [{ gate: "staging-first" }, { gate: "data-class" }, { gate: "demanded-control" }],
  });
});

test("a new version is held against the one in production; one that was there before goes back without", () => {
  expect(replacedChampion("production", "mv_2", "mv_1", ["staging"])).toBe("mv_1");
  expect(replacedChampion("production", "mv_2", "mv_1", ["staging", "production"])).toBeUndefined();
  expect(replacedChampion("production", "mv_2", "mv_2", ["staging"])).toBeUndefined();
  expect(replacedChampion("production", "mv_2", undefined, ["staging"])).toBeUndefined();
  expect(replacedChampion("staging", "mv_2", "mv_1", [])).toBeUndefined();
});

test("a version of files that nothing here opens is promoted nowhere, whatever its gates say (G20)", () => {
  for (const to of ["dev", "staging", "production"] as const) {
    const verdict = judgePromotion(someEvidence({ to, packaging: "files" }));
    expect(verdict).toMatchObject({ kind: "blocked", failures: [{ gate: "servable", passed: false }] });
  }
});
