import { expect, test } from "vitest";
import { modelBom } from "../src/policy.ts";
import { aDigest, aRecord } from "./record-fixture.ts";

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
