import { expect, test } from "vitest";
import { type ShownVersion, versionText } from "./version-text.ts";

const digest = `sha256:${"ab".repeat(32)}`;
const at = Date.UTC(2026, 10, 29, 4, 25) * 1000;

const registered: ShownVersion = {
  id: "mv_1",
  model: "flights",
  version: 2,
  useCaseId: "uc_1",
  artifact: digest,
  sizeBytes: 134_375,
  bundle: digest,
  signingKeyId: "sgk_1",
  signedAt: at,
  signature: {
    inputs: [{ name: "x", datatype: "FP32", shape: [-1, 15] }],
    outputs: [{ name: "label", datatype: "INT64", shape: [-1] }],
  },
  lineage: { origin: "imported", source: "a file\nof two lines" },
  createdBy: "usr_1",
  stages: [],
  decisions: [],
  deployments: [],
  evaluations: [],
  textEvaluations: [],
  compute: null,
  reference: null,
};

function deployed(count: number): ShownVersion["deployments"] {
  return Array.from({ length: count }, (_, index) => ({
    id: `dep_${index}`,
    endpoint: "flights",
    environment: "production" as const,
    role: "champion",
    deployedBy: "usr_1",
    deployedAt: at + index * 1_000_000,
    route: digest,
    digest,
    config: { limits: { burst: 50 } },
  }));
}

test("of a version that was only registered it says what there is not yet, and keeps each value on one line", () => {
  const text = versionText(registered);
  expect(text).toContain("flights version 2  mv_1\n");
  expect(text).toMatch(/^promoted in +nowhere$/m);
  expect(text).toMatch(/^artifact +sha256:(ab){32}, 134\.4 kB$/m);
  expect(text).toMatch(/^takes +x FP32 \[-1, 15\]$/m);
  expect(text).toMatch(/^ {2}source +a file\\u000aof two lines$/m);
  expect(text).toContain("evaluations\n  none\n");
  expect(text).toContain("not measured yet");
  expect(text).toContain("none yet: portolan model profile");
  expect(text).not.toContain("decisions");
  expect(text).not.toContain("undefined");
});

test("of what was evaluated, decided and deployed it shows the newest, and no configuration", () => {
  const heldOut = { shown: true, because: "every row is later" };
  const evaluated = (createdAt: number, rocAuc: number): ShownVersion["evaluations"][number] => ({
    id: `ev_${createdAt}`,
    versionId: "mv_1",
    model: "flights",
    version: 2,
    artifact: digest,
    trainingSetId: "ts_1",
    dataset: digest,
    heldOut,
    metrics: {
      rows: 57_293,
      positives: 12_329,
      values: { roc_auc: rocAuc },
      intervals: { roc_auc: { low: 0.7, high: 0.8, level: 0.95, method: "delong" } },
    },
    gates: [{ gate: "accuracy", passed: false, observed: "0.7466", required: "roc_auc >= 0.8" }],
    createdAt,
  });
  const text = versionText({
    ...registered,
    stages: ["production", "staging"],
    evaluations: [evaluated(at, 0.71), evaluated(at + 1, 0.7466)],
    deployments: deployed(12),
    decisions: [
      {
        kind: "release",
        id: "rel_1",
        environment: "production",
        endpoint: "flights",
        requestedBy: "sa_1",
        requestedAt: at,
        approvalsNeeded: 2,
        approvals: [{ by: "usr_2", at }],
        outcome: "rolled_back",
        decidedBy: "release-controller",
        decidedAt: at,
        reasons: [],
      },
    ],
  });
  expect(text).toMatch(/^promoted in +production, staging$/m);
  expect(text).toContain("newest of 2 evaluations\n");
  expect(text).toMatch(/^ {2}roc_auc +0\.7466 +\[0\.7000, 0\.8000\] +delong$/m);
  expect(text).not.toContain("0.7100");
  expect(text).toMatch(/^ {2}accuracy +FAILED +0\.7466 +roc_auc >= 0\.8$/m);
  expect(text).toMatch(/release +production +rolled_back +sa_1 +1 of 2: usr_2$/m);
  expect(text).toContain("deployments (the newest 10 of 12)\n");
  expect(text.match(/production\/flights/g)).toHaveLength(10);
  expect(text).toContain("2026-11-29T04:25:11Z");
  expect(text).not.toContain("2026-11-29T04:25:01Z");
  expect(text).not.toContain("burst");
});
