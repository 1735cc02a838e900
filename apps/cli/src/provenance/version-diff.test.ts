import type { VersionRecord } from "@portolan/registry/contract";
import { encodePrompt } from "@portolan/registry/policy";
import { describe, expect, test } from "vitest";
import {
  aDeployment,
  aDigest,
  anEvaluation,
  aRecord,
  aTraining,
  aTrainingSet,
} from "../../../../packages/registry/test/record-fixture.ts";
import { promptText } from "./prompt-file.ts";
import { versionDiff } from "./version-diff.ts";

const diffTo = (change: Partial<VersionRecord>, code = { before: "a\n", after: "a\n" }) =>
  versionDiff(
    { record: aRecord, code: code.before },
    { record: { ...aRecord, ...change }, code: code.after },
  );

describe("a difference of versions", () => {
  const said = (digest: string | undefined, prompt?: string) => {
    const lineage = {
      ...aRecord.version.lineage,
      ...(digest === undefined ? {} : { prompt: aDigest(digest) }),
    };
    const record = { ...aRecord, version: { ...aRecord.version, lineage } };
    return { record, ...(prompt === undefined ? {} : { prompt }) };
  };

  test("shows the lines of a prompt that changed, came or went; and its digest alone where it may not be read", () => {
    const prompt = (system: string, most: number) =>
      promptText(
        encodePrompt({ sampling: { maxTokens: { default: most } }, system, template: "A {{thing}}:\nsay." }),
      );
    const short = prompt("Be short.\nBe kind.\n", 10);
    const shorter = prompt("Be very short.\nBe kind.\n", 10);
    const changed = versionDiff(said("6", short), said("7", shorter));
    expect(changed.prompt).toEqual([{ what: "prompt", before: aDigest("6"), after: aDigest("7") }]);
    expect(changed.promptLines.filter((line) => /^[-+]/.test(line))).toEqual([
      "-  Be short.",
      "+  Be very short.",
    ]);
    const longer = versionDiff(said("6", short), said("8", prompt("Be short.\nBe kind.\n", 20)));
    expect(longer.promptLines.filter((line) => /^[-+]/.test(line))).toEqual([
      "-    default: 10",
      "+    default: 20",
    ]);
    const came = versionDiff(said(undefined), said("6", short));
    expect(came.prompt).toEqual([{ what: "prompt", after: aDigest("6") }]);
    expect(came.promptLines).toContain("+  Be kind.");
    expect(versionDiff(said("6", short), said("7")).promptLines).toEqual([]);
    expect(versionDiff(said("6", short), said("6", short))).toMatchObject({ prompt: [], promptLines: [] });
  });

  test("of one version with itself is empty, but for the metrics, which are all shown", () => {
    const { metrics, ...rest } = diffTo({});
    expect(Object.values(rest).flat()).toEqual([]);
    expect(metrics.map(({ metric }) => metric)).toEqual(["roc_auc", "log_loss"]);
  });

  test("names each parameter that changed, came or went, and the seed", () => {
    const training = { ...aTraining, params: { rounds: 80, loss: "log", depth: 3 }, seed: 8 };
    expect(diffTo({ training }).params).toEqual([
      { what: "rounds", before: "60", after: "80" },
      { what: "warm", before: "true" },
      { what: "depth", after: "3" },
      { what: "seed of the run", before: "7", after: "8" },
    ]);
  });

  test("names each package that changed, also one of the same version from other files", () => {
    const packages = [
      { name: "numpy", version: "2.5.0", hashes: ["0d".repeat(32)] },
      { name: "scipy", version: "1.0", hashes: ["0e".repeat(32)] },
    ];
    expect(diffTo({ packages }).environment).toEqual([
      { what: "package numpy", before: "2.4.6 (0a0a0a0a, 0b0b0b0b)", after: "2.5.0 (0d0d0d0d)" },
      {
        what: 'package typing_extensions (python_version < "3.13")',
        before: "4.16.0+local (0c0c0c0c)",
      },
      { what: "package scipy", after: "1.0 (0e0e0e0e)" },
    ]);
    const [numpy] = aRecord.packages;
    const same = [{ ...numpy, hashes: ["0f".repeat(32)] }, ...aRecord.packages.slice(1)] as typeof packages;
    expect(diffTo({ packages: same }).environment).toMatchObject([{ what: "package numpy" }]);
  });

  test("names data and features: rows, span, a view's version, a column that moved", () => {
    const [view] = aTrainingSet.views;
    const trainingSet = {
      ...aTrainingSet,
      rows: 1200,
      features: ["distance", "mean_delay_7d"],
      views: view ? [{ ...view, view: "routes@4", digest: aDigest("8") }] : [],
    };
    const diff = diffTo({ trainingSet });
    expect(diff.data).toEqual([{ what: "rows", before: "1000", after: "1200" }]);
    expect(diff.features.map(({ what }) => what)).toEqual([
      "view routes",
      "feature mean_delay_7d",
      "feature distance",
    ]);
  });

  test("names a feature log that went on, two versions of one view, and a parameter that is called like the seed", () => {
    const [view] = aTrainingSet.views;
    if (!view?.log) throw new Error("the fixture has a log");
    const later = { ...view, log: { ...view.log, lastSequence: 120 } };
    const [moved] = diffTo({ trainingSet: { ...aTrainingSet, views: [later] } }).features;
    expect(moved?.after).toMatch(/to 120$/);
    const second = { ...view, view: "routes@4", digest: aDigest("8") };
    const [both] = diffTo({ trainingSet: { ...aTrainingSet, views: [view, second] } }).features;
    expect(both?.after).toMatch(/routes@3.*; routes@4/);
    const params = { ...aTraining.params, "seed of the run": "none" };
    expect(diffTo({ training: { ...aTraining, params, seed: 8 } }).params).toEqual([
      { what: "seed of the run", after: "none" },
      { what: "seed of the run", before: "7", after: "8" },
    ]);
  });

  test("names what a gate demands, and where a version's upstream is", () => {
    const gates = anEvaluation.gates.map((gate) => ({ ...gate, required: "at least 0.7" }));
    expect(diffTo({ evaluations: [{ ...anEvaluation, gates }] }).evaluation).toMatchObject([
      { what: "gate accuracy", after: expect.stringContaining("at least 0.7") as string },
    ]);
    const { version } = aRecord;
    const upstream = {
      protocol: "openai",
      url: "https://a.example",
      model: "m",
      region: "eu",
      owner: "self",
    } as const;
    const diff = diffTo({ version: { ...version, lineage: { ...version.lineage, upstream } } });
    expect(diff.model).toContainEqual({ what: "upstream url", after: "https://a.example" });
  });

  test("of a program that is too long to compare says the digest, and no line that is none", () => {
    const long = "x\n".repeat(2_001);
    expect(diffTo({}, { before: long, after: `${long}y\n` }).codeLines).toEqual([]);
  });

  test("shows code as a unified diff, and nothing of it where one side may not be read", () => {
    expect(diffTo({}, { before: "a\nb\nc\n", after: "a\nx\nc\n" }).codeLines).toEqual([
      "@@ -1,3 +1,3 @@",
      " a",
      "-b",
      "+x",
      " c",
    ]);
    expect(versionDiff({ record: aRecord }, { record: aRecord, code: "x" }).codeLines).toEqual([]);
  });

  test("compares the newest evaluations with their intervals, and says when the rows are others", () => {
    const newest = {
      ...anEvaluation,
      setId: "ts_9",
      metrics: [{ name: "roc_auc", value: 0.8, interval: { low: 0.7, high: 0.9, level: 0.95 } }],
      gates: anEvaluation.gates.map((gate) => ({ ...gate, passed: false })),
    };
    const diff = diffTo({ evaluations: [newest, anEvaluation] });
    expect(diff.evaluation).toEqual([
      { what: "evaluation set", before: "ts_2", after: "ts_9" },
      {
        what: "gate accuracy",
        before: "passed, observed 0.71, required at least 0.65",
        after: "failed, observed 0.71, required at least 0.65",
      },
    ]);
    expect(diff.metrics).toEqual([
      {
        metric: "roc_auc",
        before: { value: 0.71, interval: { low: 0.69, high: 0.73, level: 0.95 } },
        after: { value: 0.8, interval: { low: 0.7, high: 0.9, level: 0.95 } },
      },
      { metric: "log_loss", before: { value: 0.5 } },
    ]);
  });

  test("names tensors whose shape or type changed", () => {
    const { version } = aRecord;
    const signature = {
      inputs: [{ name: "x", datatype: "FP64", shape: [-1, 3] }],
      outputs: version.signature.outputs,
    } as typeof version.signature;
    expect(diffTo({ version: { ...version, signature } }).model).toEqual([
      { what: "input x", before: "FP32[-1,2]", after: "FP64[-1,3]" },
    ]);
  });

  test("names what of the configuration differs at an endpoint that served both", () => {
    const served = (config: object, more: object = {}) => ({
      deployments: [
        { ...aDeployment, ...more, digest: aDigest("0"), config: { ...aDeployment.config, ...config } },
      ],
    });
    expect(
      diffTo(served({ limits: { timeoutMs: 300, burst: 50 }, batching: { rows: 8 }, cache: null })).serving,
    ).toEqual([
      {
        what: "delays in production",
        before: `champion, ${aDigest("9")}`,
        after: `champion, ${aDigest("0")}`,
      },
      { what: "delays in production: limits.timeoutMs", before: "200", after: "300" },
      { what: "delays in production: batching.rows", after: "8" },
    ]);
    expect(diffTo(served({}, { endpoint: "other" })).serving).toEqual([
      { what: "delays in production", before: `champion, ${aDigest("9")}` },
      { what: "other in production", after: `champion, ${aDigest("0")}` },
    ]);
  });

  test("of an endpoint that was deployed often takes the newest deployment", () => {
    const [newest] = diffTo({
      deployments: [{ ...aDeployment, id: "dpl_3", digest: aDigest("0") }, aDeployment],
    }).serving;
    expect(newest?.after).toBe(`champion, ${aDigest("0")}`);
  });
});
