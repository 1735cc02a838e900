import { describe, expect, test } from "vitest";
import {
  aCharter,
  aDigest,
  aRecord,
  aTraining,
  aTrainingSet,
} from "../../../../packages/registry/test/record-fixture.ts";
import { modelCard } from "./model-card.ts";
import { modelCardPage } from "./model-card-page.ts";

const { training: _, trainingSet: __, charter: ___, ...bare } = aRecord;
const imported = {
  ...bare,
  packages: [],
  evaluations: [],
  promotions: [],
  decisions: [],
  deployments: [],
  attestations: [],
  version: { ...aRecord.version, lineage: { origin: "imported" as const, source: "churn.onnx" } },
};

describe("a model card", () => {
  test("names the prompt of a text version by its digest, and none where there is none", () => {
    const lineage = { ...imported.version.lineage, prompt: aDigest("7") };
    const card = modelCard({ ...imported, version: { ...imported.version, lineage } });
    expect(card.prompt).toBe(aDigest("7"));
    expect(modelCardPage(card)).toContain(aDigest("7"));
    expect(modelCardPage(modelCard(imported))).not.toContain(">Prompt<");
  });

  test("names the rows that the model learned from, and what an erasure made of them", () => {
    const trainingSet = { ...aTrainingSet, object: aDigest("9") };
    const card = modelCard({ ...aRecord, trainingSet });
    expect(card.trainingData).toMatchObject({ digest: aDigest("e"), restatedAs: aDigest("9") });
    expect(modelCardPage(card)).toContain("Restated since as");
    expect(modelCardPage(modelCard(aRecord))).not.toContain("Restated since as");
  });

  test("says what is on record: use, limits, data, training, metrics, promotions, evidence", () => {
    expect(modelCard(aRecord)).toMatchObject({
      model: "flight-delays",
      version: 3,
      intendedUse: { purposes: ["staff-planning"], approvedBy: ["approver_risk (usr_ron)"] },
      trainingData: { rows: 1000, label: "late", classification: "internal" },
      training: { python: "3.12.4", packages: ["numpy 2.4.6", "Typing_Extensions 4.16.0+local"] },
      evaluation: { id: "ev_1" },
      promotions: [{ to: "production", by: "usr_rita" }],
      decisions: [
        {
          what: "release",
          where: "delays in production",
          requestedBy: "usr_max",
          approvedBy: ["usr_lee", "usr_rita"],
          outcome: "promoted",
          at: "2023-11-14T22:15:20Z",
        },
      ],
      deployments: [{ where: "delays in production", as: "champion", configuration: aDigest("9") }],
      attestations: [{ about: "training" }],
    });
    const page = modelCardPage(modelCard(aRecord));
    expect(page).toContain("usr_lee, usr_rita");
    expect(page).toContain(aDigest("9"));
    expect(modelCardPage(modelCard(imported))).toContain("No endpoint has served it.");
    expect(modelCard(aRecord).limitations).toContain(
      "The charter promises roc_auc of at least 0.65 on held-out later data, and nothing beyond it.",
    );
  });

  test("tells how classes, slices and groups fare, where that was measured", () => {
    const [evaluation] = aRecord.evaluations;
    if (!evaluation) throw new Error("the record has an evaluation");
    const parts = [
      {
        of: "class late",
        rows: 60,
        name: "recall",
        value: 0.8,
        interval: { low: 0.7, high: 0.9, level: 0.95 },
      },
      { of: "origin <JFK>", rows: 40, name: "accuracy", value: 0.75 },
    ];
    const page = modelCardPage(modelCard({ ...aRecord, evaluations: [{ ...evaluation, parts }] }));
    expect(page).toContain("Classes, slices and groups");
    expect(page).toMatch(/class late.*60.*recall.*0\.8.*0\.7 to 0\.9 \(95 %\)/s);
    expect(page).toMatch(/origin &lt;JFK&gt;.*40.*accuracy.*0\.75.*not computed/s);
    expect(modelCardPage(modelCard(aRecord))).not.toContain("Classes, slices and groups");
  });

  test("tells the privacy that a training kept, and where its noise hides nothing", () => {
    const privacy = {
      mechanism: "dp-sgd",
      unit: "row",
      noiseMultiplier: 1.1,
      samplingRate: 0.01,
      steps: 1000,
      delta: 1e-5,
      epsilon: 1.7102,
      order: 8,
      noise: "secret",
    };
    const page = modelCardPage(modelCard({ ...aRecord, training: { ...aTraining, privacy } }));
    expect(page).toContain("(1.710, 0.00001)-differential privacy of each row by DP-SGD: noise 1.1");
    const again = { ...aTraining, privacy: { ...privacy, noise: "reproducible" } };
    expect(modelCardPage(modelCard({ ...aRecord, training: again }))).toContain("hides nothing");
    expect(modelCardPage(modelCard(aRecord))).not.toContain("differential privacy");
  });

  test("of an imported version without a charter has no section that nobody filled", () => {
    const card = modelCard(imported);
    expect(card).toMatchObject({ source: "churn.onnx", limitations: [] });
    for (const absent of ["intendedUse", "trainingData", "training", "evaluation"])
      expect(card).not.toHaveProperty(absent);
    const page = modelCardPage(card);
    expect(page).toContain("No charter is on record");
    expect(page).toContain("No evaluation is on record");
  });

  test("as a page has no script and nothing from elsewhere, and what strangers wrote is text in it", () => {
    const charter = { ...aCharter, description: '<script>alert("x")</script>' };
    const page = modelCardPage(modelCard({ ...aRecord, charter }));
    expect(page).not.toContain("<script");
    expect(page).toContain("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;");
    expect(page).not.toMatch(/(src|href)=/);
    expect(page).toContain("default-src 'none'");
  });

  test("as a page can be read by ear: language, title, one main heading, sections below it, heads of every table", () => {
    const page = modelCardPage(modelCard(aRecord));
    expect(page).toContain('<html lang="en">');
    expect(page).toMatch(/<title>Model card: flight-delays, version 3<\/title>/);
    expect(page.match(/<h1>/g)).toHaveLength(1);
    const levels = [...page.matchAll(/<h([1-6])>/g)].map(([, level]) => Number(level));
    levels.reduce((before, level) => {
      expect(level - before).toBeLessThanOrEqual(1);
      return level;
    });
    const tables = page.match(/<table>/g) ?? [];
    expect(page.match(/<caption>/g)).toHaveLength(tables.length);
    expect(page.match(/<th scope="col">/g)?.length).toBeGreaterThanOrEqual(tables.length);
    expect(page.match(/<th>/g)).toBeNull();
  });
});
