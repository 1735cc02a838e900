import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Ajv } from "ajv";
import addFormats from "ajv-formats";
import { expect, test } from "vitest";
import type { VersionRecord } from "../src/contract.ts";
import { modelBom } from "../src/policy.ts";
import { aDigest, aRecord, aTraining, aTrainingSet } from "./record-fixture.ts";

/** The official JSON schemas of CycloneDX, as its own library carries them. */
function schema(name: string): object {
  const manifest = fileURLToPath(import.meta.resolve("@cyclonedx/cyclonedx-library/package.json"));
  const path = new URL(`res/schema/${name}.SNAPSHOT.schema.json`, `file://${manifest}`);
  return JSON.parse(readFileSync(path, "utf8")) as object;
}

const ajv = new Ajv({ strict: false, allErrors: true });
addFormats.default(ajv);
// What an IRI reference never holds (RFC 3987); the rest is left to whoever resolves it.
ajv.addFormat("iri-reference", /^[^\s<>"{}|\\^`]*$/);
ajv.addFormat("idn-email", /^\S+@\S+$/);
for (const name of ["spdx", "jsf-0.82"])
  ajv.addSchema(schema(name), `http://cyclonedx.org/schema/${name}.SNAPSHOT.schema.json`);
const validate = ajv.compile(schema("bom-1.6"));

function problemsOf(document: unknown): string[] {
  validate(document);
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

const { training: _, trainingSet: __, charter: ___, ...bare } = aRecord;
const imported: VersionRecord = {
  ...bare,
  packages: [],
  evaluations: [],
  promotions: [],
  attestations: [],
  version: { ...aRecord.version, stages: [], lineage: { origin: "imported", source: "churn.onnx" } },
};
const research: VersionRecord = { ...aRecord, trainingSet: { ...aTrainingSet, dataClass: "research" } };
const prompted: VersionRecord = {
  ...imported,
  version: { ...imported.version, lineage: { ...imported.version.lineage, prompt: aDigest("7") } },
};
const secret: VersionRecord = {
  ...aRecord,
  training: {
    ...aTraining,
    privacy: {
      mechanism: "dp-sgd",
      unit: "row",
      noiseMultiplier: 1.1,
      samplingRate: 0.01,
      steps: 1000,
      delta: 1e-5,
      epsilon: 1.7102,
      order: 8,
      noise: "secret",
    },
  },
};

test.each([
  ["a trained version", aRecord],
  ["one that keeps privacy", secret],
  ["an imported one", imported],
  ["one of research data", research],
  ["one with a prompt", prompted],
])("the bill of %s is valid by the official schema of CycloneDX 1.6", (_name, record) => {
  expect(problemsOf(modelBom(record))).toEqual([]);
});

test("figures of classes and slices are metrics of their slice", () => {
  const [evaluation] = aRecord.evaluations;
  if (!evaluation) throw new Error("the record has an evaluation");
  const parts = [{ of: "class late", rows: 60, name: "recall", value: 0.8 }];
  const bom = modelBom({ ...aRecord, evaluations: [{ ...evaluation, parts }] });
  expect(problemsOf(bom)).toEqual([]);
  expect(JSON.stringify(bom)).toContain(
    `{"type":"recall","value":"0.8","slice":"class late: 60 examples of ${evaluation.setId}"}`,
  );
});

test("a prompt is a component of its own, by digest: another prompt is another bill", () => {
  const { components } = modelBom(prompted) as { components: object[] };
  expect(components).toContainEqual({
    type: "file",
    "bom-ref": "prompt",
    name: "prompt",
    hashes: [{ alg: "SHA-256", content: "7".repeat(64) }],
  });
  expect(JSON.stringify(modelBom(imported))).not.toContain('"prompt"');
});

test("what privacy a training keeps is told by properties of the card", () => {
  const { metadata } = modelBom(secret);
  const epsilon = { name: "portolan:privacy:epsilon", value: "1.7102" };
  expect(metadata).toMatchObject({
    component: { modelCard: { properties: expect.arrayContaining([epsilon]) as object[] } },
  });
});

test("the schema finds a member that it does not know, a metric that is no text and a reference with a blank", () => {
  const bom = JSON.stringify(modelBom(aRecord));
  expect(problemsOf(JSON.parse(bom.replace('"modelCard"', '"modelcard"')))).not.toEqual([]);
  expect(problemsOf(JSON.parse(bom.replace('"value":"0.71"', '"value":0.71')))).not.toEqual([]);
  expect(problemsOf(JSON.parse(bom.replace('"url":"urn:portolan:', '"url":"a b')))).not.toEqual([]);
});

test("the model, its data, its program and each pinned package are components, by digest", () => {
  const bom = modelBom(aRecord) as {
    metadata: { component: object };
    components: Record<string, unknown>[];
    dependencies: { ref: string; dependsOn?: string[] }[];
  };
  expect(bom.metadata.component).toMatchObject({
    type: "machine-learning-model",
    name: "flight-delays",
    hashes: [{ alg: "SHA-256", content: "a".repeat(64) }],
    modelCard: {
      modelParameters: { task: "binary_classification", datasets: [{ ref: "training-set" }] },
      quantitativeAnalysis: {
        performanceMetrics: [
          { type: "roc_auc", value: "0.71", confidenceInterval: { lowerBound: "0.69", upperBound: "0.73" } },
          { type: "log_loss", value: "0.5" },
        ],
      },
    },
  });
  expect(bom.components.map((one) => one["bom-ref"])).toEqual([
    "training-set",
    "dataset",
    "feature-view:routes@3",
    "trainer",
    "environment-lock",
    "python",
    "pkg:pypi/numpy@2.4.6",
    'pkg:pypi/typing-extensions@4.16.0%2Blocal#python_version < "3.13"',
  ]);
  expect(bom.components[6]).toMatchObject({
    externalReferences: [
      { type: "distribution", hashes: [{ content: "0a".repeat(32) }, { content: "0b".repeat(32) }] },
    ],
  });
  expect(bom.dependencies[0]?.dependsOn).toHaveLength(8);
});

test("the same record is the same document, another one has another serial number", () => {
  expect(modelBom(aRecord)).toEqual(modelBom(aRecord));
  const other = { ...aRecord, version: { ...aRecord.version, artifact: aDigest("9") } };
  expect(modelBom(other)["serialNumber"]).not.toBe(modelBom(aRecord)["serialNumber"]);
});

test("rows that an erasure restated are shown as such: the model learned from those of before", () => {
  const trainingSet = { ...aTrainingSet, object: aDigest("9") };
  const bom = modelBom({ ...aRecord, trainingSet });
  expect(problemsOf(bom)).toEqual([]);
  expect(bom["components"]).toContainEqual(
    expect.objectContaining({
      "bom-ref": "training-set",
      hashes: [{ alg: "SHA-256", content: "e".repeat(64) }],
      properties: [{ name: "portolan:restated-as", value: aDigest("9") }],
    }),
  );
});

test("a package that the lock names in two lines is one component with the files of both", () => {
  const [numpy] = aRecord.packages;
  const again = { name: "NumPy", version: numpy?.version ?? "", hashes: ["0a".repeat(32), "0f".repeat(32)] };
  const bom = modelBom({ ...aRecord, packages: [...aRecord.packages, again] });
  expect(problemsOf(bom)).toEqual([]);
  const components = bom["components"] as { "bom-ref": string; externalReferences?: unknown }[];
  const found = components.filter((one) => one["bom-ref"] === "pkg:pypi/numpy@2.4.6");
  expect(found).toHaveLength(1);
  expect(JSON.stringify(found)).toContain("0f".repeat(32));
  expect(JSON.stringify(found)).toContain("0b".repeat(32));
});
