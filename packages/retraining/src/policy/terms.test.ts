import { parseCharter, requireValid } from "@portolan/charter/policy";
import { readTemplate } from "@portolan/charter/templates";
import { describe, expect, test } from "vitest";
import { contradictions, retrainingTerms } from "./terms.ts";

function charterWith(retraining: string) {
  const source = readTemplate("flight-delays").replace(/^retraining:\n(?: .*\n)+/m, retraining);
  return requireValid(parseCharter(source, "charter.yaml")).document;
}
const silent = charterWith("");
const hourMs = 3_600_000;

describe("whose word starts a retraining", () => {
  test("the charter's, where it has one: drift alone only by its own word", () => {
    const alone = retrainingTerms(charterWith("retraining: { onDrift: true, approval: none }\n"), undefined);
    expect(alone).toMatchObject({ source: "charter", onDrift: "alone", approval: "none" });
    const floor = charterWith("retraining: { onAccuracyBelow: 0.65, approval: team_lead }\n");
    expect(retrainingTerms(floor, undefined)).toMatchObject({
      onDrift: "with_harm",
      accuracy: { metric: "roc_auc", kind: "floor", open: 0.65, close: 0.66, isTrigger: true },
    });
    const concept = charterWith("retraining: { onConceptDrift: true, approval: none }\n");
    expect(retrainingTerms(concept, undefined)).toMatchObject({ onConceptDrift: true, onDrift: "never" });
    expect(contradictions(concept, { onConceptDrift: false })).toHaveLength(1);
    const every = charterWith("retraining: { every: 1d, approval: none }\n");
    expect(retrainingTerms(every, undefined)).toMatchObject({
      everyMs: 24 * hourMs,
      onDrift: "never",
      mostRuns: 30,
    });
  });

  test("the policy's, where the charter is silent, and never drift alone", () => {
    const policy = { everyHours: 2, onDrift: "with_harm", approval: "none", closeMargin: 0 } as const;
    expect(retrainingTerms(silent, policy)).toMatchObject({
      source: "policy",
      everyMs: 2 * hourMs,
      onDrift: "with_harm",
      accuracy: { open: 0.6, close: 0.6, isTrigger: false },
    });
    expect(retrainingTerms(silent, { onConceptDrift: true }).onConceptDrift).toBe(true);
    expect(retrainingTerms(silent, undefined).onConceptDrift).toBeUndefined();
    expect(retrainingTerms(silent, undefined)).toMatchObject({ source: "none", onDrift: "never" });
  });

  test("a policy does not say what the charter says, and its windows must be a majority", () => {
    const stated = charterWith("retraining: { every: 1d, approval: none }\n");
    expect(contradictions(stated, { everyHours: 1, coolDownHours: 1 })).toEqual([
      "everyHours is the charter's to say, under retraining",
    ]);
    expect(contradictions(silent, { everyHours: 1, windows: { of: 3, least: 2 } })).toEqual([]);
    for (const windows of [
      { of: 4, least: 2 },
      { of: 2, least: 3 },
    ])
      expect(contradictions(silent, { windows })).toHaveLength(1);
  });
});
