import { describe, expect, test } from "vitest";
import { missingEvidence, type VerifiedStatement } from "./judge-evidence.ts";
import {
  provenancePredicateType,
  releaseLevel,
  summaryPredicateType,
  testResultPredicateType,
} from "./predicates.ts";

const production = {
  organisationId: "org_1",
  model: "delays",
  version: 3,
  environment: "production",
} as const;
const digest = (digit: string) => `sha256:${digit.repeat(64)}`;
const training: VerifiedStatement = {
  digest: digest("1"),
  predicateType: provenancePredicateType,
  predicate: {},
};
const evaluation: VerifiedStatement = {
  digest: digest("2"),
  predicateType: testResultPredicateType,
  predicate: { result: "PASSED" },
};

function aPromotion(
  change: Record<string, unknown> = {},
  more: Record<string, unknown> = {},
): VerifiedStatement {
  return {
    digest: digest("3"),
    predicateType: summaryPredicateType,
    predicate: {
      verificationResult: "PASSED",
      resourceUri: "urn:portolan:org_1:model:delays:3",
      verifiedLevels: [releaseLevel("production")],
      inputAttestations: [
        { uri: "urn:training", digest: { sha256: "1".repeat(64) } },
        { uri: "urn:evaluation", digest: { sha256: "2".repeat(64) } },
      ],
      portolan_approvals: [{ role: "approver_risk", signer: "usr_ron" }],
      portolan_promotion: { origin: "trained", gates: [{ gate: "accuracy", passed: true }], ...more },
      ...change,
    },
  };
}

describe("what is missing for an environment", () => {
  test("nothing, when a promotion there, all that it rests on and the training are attested", () => {
    expect(missingEvidence([training, evaluation, aPromotion()], production)).toEqual([]);
  });

  test("a promotion to that environment: one to another is none, and neither is one that did not pass", () => {
    const none = ["no verification summary promotes version 3 to staging"];
    expect(
      missingEvidence([training, evaluation, aPromotion()], { ...production, environment: "staging" }),
    ).toEqual(none);
    for (const resourceUri of [
      "urn:portolan:org_1:model:delays:2",
      "urn:portolan:org_1:model:others:3",
      "urn:portolan:org_2:model:delays:3",
      "delays:3",
    ])
      expect(missingEvidence([training, evaluation, aPromotion({ resourceUri })], production)).toHaveLength(
        1,
      );
    const failed = aPromotion({ verificationResult: "FAILED" });
    expect(missingEvidence([training, evaluation, failed], production)).toHaveLength(1);
  });

  test("the provenance of a trained version; an imported one has none", () => {
    const inputAttestations = [{ uri: "urn:evaluation", digest: { sha256: "2".repeat(64) } }];
    const promotion = { inputAttestations };
    // A provenance of the same bytes that the promotion does not name is none.
    expect(missingEvidence([training, evaluation, aPromotion(promotion)], production)).toEqual([
      "no provenance says how it was trained",
    ]);
    const imported = aPromotion(promotion, { origin: "imported" });
    expect(missingEvidence([evaluation, imported], production)).toEqual([]);
  });

  test("each statement that the promotion names, by its digest", () => {
    expect(missingEvidence([training, aPromotion()], production)).toContain(
      "a statement that the promotion rests on is missing: urn:evaluation",
    );
    for (const inputAttestations of [undefined, [], {}])
      expect(
        missingEvidence([training, evaluation, aPromotion({ inputAttestations })], production),
      ).not.toEqual([]);
  });

  test("a gate that did not pass is told by its name", () => {
    const gates = [{ gate: "accuracy", passed: false }];
    expect(missingEvidence([training, evaluation, aPromotion({}, { gates })], production)).toEqual([
      "the gate accuracy did not pass",
    ]);
  });

  test("what it was judged by, where a promotion does not say it", () => {
    for (const gates of [undefined, [], { accuracy: true }])
      expect(missingEvidence([training, evaluation, aPromotion({}, { gates })], production)).toEqual([
        "the promotion does not say by which gates it was judged",
      ]);
  });

  test("an evaluation that passed, among what the promotion names", () => {
    for (const result of ["FAILED", "WARNED"]) {
      const other = { ...evaluation, predicate: { result } };
      expect(missingEvidence([training, other, aPromotion()], production)).toEqual([
        "the promotion rests on no evaluation that passed",
      ]);
    }
  });

  test("approvals of the charter", () => {
    for (const portolan_approvals of [undefined, [], {}])
      expect(missingEvidence([training, evaluation, aPromotion({ portolan_approvals })], production)).toEqual(
        ["the promotion names nobody who approved its charter"],
      );
  });

  test("for dev no gates, no evaluation and no approvals: nothing is judged there", () => {
    const toDev = aPromotion(
      {
        verifiedLevels: [releaseLevel("dev")],
        inputAttestations: [{ uri: "urn:training", digest: { sha256: "1".repeat(64) } }],
        portolan_approvals: [],
      },
      { gates: [] },
    );
    const dev = { ...production, environment: "dev" } as const;
    expect(missingEvidence([training, toDev], dev)).toEqual([]);
    expect(missingEvidence([toDev], dev)).not.toEqual([]);
  });

  test("an older promotion that is whole stands, whatever a later one lacks", () => {
    const broken = aPromotion({ inputAttestations: [{ uri: "urn:gone", digest: {} }] });
    expect(missingEvidence([training, evaluation, aPromotion(), broken], production)).toEqual([]);
  });
});
