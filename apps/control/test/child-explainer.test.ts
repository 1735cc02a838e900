import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runAnalysis } from "@portolan/duckdb";
import type { CountedBackground, ExplainRequest } from "@portolan/evaluation";
import type { ExplanationBackground } from "@portolan/evaluation/contract";
import { decisionOf, nearestChange, scoresOf } from "@portolan/explanations";
import { type Digest, type ObjectStore, systemClock } from "@portolan/kernel";
import { openFolderObjectStore } from "@portolan/objectstore";
import { createSession } from "@portolan/onnx/session";
import { readOnnxModel, readTreeEnsemble, signatureOf } from "@portolan/onnx-format";
import {
  floatsAttribute,
  graph,
  identityModel,
  intsAttribute,
  logisticModel,
  mlpModel,
  node,
  model as onnxModel,
  onnxType,
  textAttribute,
  treesModel,
  valueInfo,
} from "@portolan/onnx-format/testing";
import type { Tensor } from "@portolan/serving/policy";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createChildExplainer } from "../src/explaining/child-explainer.ts";

const folder = mkdtempSync(join(tmpdir(), "explainer-"));
const columns = ["a", "b", "c"];
const trees = treesModel(20, columns.length, 4);
const { signal } = new AbortController();
let objects: ObjectStore;
let dataset: Digest;
let model: Digest;
let background: Digest;

beforeAll(async () => {
  const file = join(folder, "work/rows.parquet");
  // One column with gaps.
  await runAnalysis({
    statements: [
      {
        sql: `copy (select i as _row, ((i * 7919) % 1000) / 1000.0 as a, case when i % 10 = 0 then null else ((i * 104729) % 997) / 997.0 end as b,
          ((i * 31) % 101) / 101.0 as c from range(5000) t(i)) to '${file}' (format parquet)`,
        returns: "rows",
      },
    ],
    readable: [],
    workFolder: join(folder, "work"),
  });
  objects = await openFolderObjectStore(join(folder, "objects"), systemClock);
  dataset = await objects.put(readFileSync(file));
  model = await objects.put(trees);
  const counted = await createChildExplainer(objects).background(
    { model, dataset, features: columns },
    signal,
  );
  if ("unexplainable" in counted || !counted.covers) throw new Error("trees can be explained");
  expect(counted).toMatchObject({ rows: 5000, sampledEvery: 1, columns });
  const data = { trainingSetId: "ts_1", digest: dataset, rows: counted.rows, sampledEvery: 1 };
  const stored: ExplanationBackground = { format: 1, model, data, columns, covers: counted.covers };
  background = await objects.put(Buffer.from(JSON.stringify(stored)));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What a gateway would have answered. */
async function answerTo(rows: readonly (readonly number[])[]): Promise<string> {
  const session = await createSession(trees, signatureOf(readOnnxModel(trees)));
  const input: Tensor = {
    name: "x",
    datatype: "FP32",
    shape: [rows.length, columns.length],
    data: Float32Array.from(rows.flat()),
  };
  const outputs = await session.run([input]);
  return JSON.stringify({
    outputs: outputs.map(({ name, data }) => ({ name, data: Array.from(data as Float32Array, Number) })),
  });
}

function body(rows: readonly (readonly number[])[]): ExplainRequest["recorded"] {
  const input = { name: "x", datatype: "FP32", shape: [rows.length, columns.length], data: rows.flat() };
  return { kind: "body", text: JSON.stringify({ inputs: [input] }) };
}

const rows = [
  [0.1, 0.2, 0.3],
  [0.7, 0.65, 0.9],
] as const;

async function asked(change: Partial<ExplainRequest> = {}): Promise<ExplainRequest> {
  return {
    organisationId: "org_1",
    model,
    background,
    recorded: body(rows),
    answer: await answerTo(rows),
    row: 1,
    top: 2,
    fixed: [],
    ...change,
  };
}

test("the background counts the training rows at every node: the root has all, and each node's children share its rows", async () => {
  const stored = JSON.parse(Buffer.from(await objects.get(background)).toString()) as ExplanationBackground;
  const ensemble = readTreeEnsemble(trees);
  expect(stored.covers).toHaveLength(20);
  for (const [at, tree] of (ensemble?.trees ?? []).entries()) {
    const cover = stored.covers?.[at] ?? [];
    expect(cover[0]).toBe(5000);
    for (const [node, mode] of tree.modes.entries())
      if (mode !== 0)
        expect((cover[tree.whenTrue[node] ?? 0] ?? 0) + (cover[tree.whenFalse[node] ?? 0] ?? 0)).toBe(
          cover[node],
        );
  }
  const root = ensemble?.trees[0];
  const column = columns[root?.features[0] ?? 0];
  const sql = `select count(*)::integer as n from read_parquet('${join(folder, "work/rows.parquet")}') where ${column}::float <= ${root?.thresholds[0]}`;
  const counted = await runAnalysis({
    statements: [{ sql, returns: "rows" }],
    readable: [join(folder, "work/rows.parquet")],
    workFolder: join(folder, "spill"),
  });
  expect(stored.covers?.[0]?.[root?.whenTrue[0] ?? 0]).toBe(counted.rows["rows"]?.[0]?.["n"]);
});

describe("a recorded row", () => {
  test("is explained from the body: the contributions and the mean are the score, and the model says again what it said", async () => {
    const found = await createChildExplainer(objects).explain(await asked(), signal);
    const { contributions, othersContribution, expected, score, reproduced } = found;
    expect(reproduced).toBe("exactly");
    const labels = (JSON.parse((await asked()).answer) as { outputs: { name: string; data: number[] }[] })
      .outputs;
    expect(found.decided).toBe(String(labels.find(({ name }) => name === "label")?.data[1]));
    expect(contributions).toHaveLength(2);
    const moved = contributions.reduce((sum, one) => sum + one.contribution, othersContribution);
    expect(moved + expected).toBeCloseTo(score, 12);
    expect(Math.abs(contributions[0]?.contribution ?? 0)).toBeGreaterThanOrEqual(
      Math.abs(contributions[1]?.contribution ?? 0),
    );
    expect(contributions[0]?.reason).toMatch(
      /^[abc] is 0\.\d+, which (raises|lowers) the score by [\d.e-]+$/,
    );
  });

  test("is explained from the values that the gateway filled in, in whatever order it names them: the same", async () => {
    const order = [2, 0, 1];
    const cells = order.map((index) => ({ input: "x", index }));
    const values = rows.flatMap((row) =>
      order.map((index) => ({
        name: columns[index] ?? "",
        value: row[index] ?? null,
        source: "request" as const,
      })),
    );
    const explainer = createChildExplainer(objects);
    const found = await explainer.explain(
      await asked({ recorded: { kind: "cells", cells, values } }),
      signal,
    );
    expect(found).toEqual(await explainer.explain(await asked(), signal));
  });

  test("that the model does not say again is told", async () => {
    const other = (await answerTo(rows)).replace(/"data":\[[^\]]*\]\}\]/, '"data":[0.1,0.9,0.2,0.8]}]');
    expect(await createChildExplainer(objects).explain(await asked({ answer: other }), signal)).toMatchObject(
      {
        reproduced: "no",
      },
    );
  });

  test("has no nearest change that the model itself does not confirm: of two votes ONNX Runtime labels by the second one's sign, which is always above 0 here", async () => {
    const ensemble = readTreeEnsemble(trees);
    if (!ensemble) throw new Error("no trees");
    const row = Float32Array.from(rows[1]);
    const { turns } = decisionOf(ensemble, scoresOf(ensemble, row));
    // By the scores alone there is one.
    expect(turns && nearestChange(ensemble, row, { ...turns, free: () => true }).kind).toBe("found");
    const found = await createChildExplainer(objects).explain(await asked(), signal);
    expect([found.decided, found.counterfactualSearch]).toEqual(["1", "none"]);
    expect(found).not.toHaveProperty("counterfactual");
  });
});

/** A background of a model, and a request to explain what it says of a row. */
async function askedOf(
  bytes: Uint8Array,
  features: readonly string[],
  row: readonly number[],
): Promise<{ readonly counted: CountedBackground; readonly request: ExplainRequest }> {
  const artifact = await objects.put(bytes);
  const counted = await createChildExplainer(objects).background(
    { model: artifact, dataset, features },
    signal,
  );
  if ("unexplainable" in counted) throw new Error(counted.unexplainable);
  const data = { trainingSetId: "ts_1", digest: dataset, rows: counted.rows, sampledEvery: 1 };
  const { rows: _, sampledEvery: _every, ...found } = counted;
  const stored: ExplanationBackground = { format: 1, model: artifact, data, ...found };
  const session = await createSession(bytes, signatureOf(readOnnxModel(bytes)));
  const input: Tensor = { name: "x", datatype: "FP32", shape: [1, row.length], data: Float32Array.from(row) };
  const outputs = (await session.run([input])).map(({ name, data: said }) => ({
    name,
    data: Array.from(said as Float32Array, Number),
  }));
  const request: ExplainRequest = {
    organisationId: "org_1",
    model: artifact,
    background: await objects.put(Buffer.from(JSON.stringify(stored))),
    recorded: body([row]),
    answer: JSON.stringify({ outputs }),
    row: 0,
    top: 3,
    fixed: [],
  };
  return { counted, request };
}

test("a linear model is explained in closed form: each weight times the distance from the mean, and the nearest change turns it", async () => {
  // The second column has gaps, of which a sum makes no number.
  const { counted, request } = await askedOf(logisticModel([2, -1, 0], 0.1), columns, [0.9, 0.1, 0.5]);
  expect(counted).not.toHaveProperty("standIns");
  const means = counted.means ?? [];
  expect(means[0]).toBeCloseTo(0.4995, 6);
  const found = await createChildExplainer(objects).explain(request, signal);
  expect(found).toMatchObject({ method: "linear", unit: "log_odds", target: "1", reproduced: "exactly" });
  expect(found.score).toBeCloseTo(2 * 0.9 - 0.1 + 0.1, 6);
  const of = (name: string) => found.contributions.find(({ column }) => column === name)?.contribution ?? 0;
  expect(of("a")).toBeCloseTo(2 * (0.9 - (means[0] ?? 0)), 6);
  expect(of("b")).toBeCloseTo(-(0.1 - (means[1] ?? 0)), 6);
  const moved = found.contributions.reduce((sum, one) => sum + one.contribution, found.expected);
  expect(moved).toBeCloseTo(found.score, 9);
  // It says no label: at which score it decides is for whoever uses it to say.
  expect(found.counterfactualSearch).toBe("not_done");
});

test("of a linear model that says labels the nearest change turns the label, by one column that may change", async () => {
  const classifier = node({
    op: "LinearClassifier",
    domain: "ai.onnx.ml",
    inputs: ["x"],
    outputs: ["label", "y"],
    attributes: [
      floatsAttribute("coefficients", [-2, 1, 0, 2, -1, 0]),
      floatsAttribute("intercepts", [-0.1, 0.1]),
      textAttribute("post_transform", "LOGISTIC"),
      intsAttribute("classlabels_ints", [0, 1]),
    ],
  });
  const outputs = [
    valueInfo("label", onnxType.int64, ["batch"]),
    valueInfo("y", onnxType.float, ["batch", 2]),
  ];
  const inputs = [valueInfo("x", onnxType.float, ["batch", 3])];
  const labelled = onnxModel(graph({ nodes: [classifier], inputs, outputs }), {}, { "ai.onnx.ml": 3 });
  const { request } = await askedOf(labelled, columns, [0.9, 0.1, 0.5]);
  const found = await createChildExplainer(objects).explain(request, signal);
  expect(found).toMatchObject({
    method: "linear",
    unit: "log_odds",
    decided: "1",
    counterfactualSearch: "found",
  });
  expect(found.score).toBeCloseTo(1.8, 6);
  // 1.8 away from even odds: 0.9 of the first column, 1.8 of the second.
  expect(found.counterfactual?.changes).toEqual([
    { column: "a", from: expect.closeTo(0.9, 6), to: expect.closeTo(0, 3) },
  ]);
  expect(found.counterfactual?.score).toBeLessThan(0);
  const fixed = await createChildExplainer(objects).explain({ ...request, fixed: ["a"] }, signal);
  expect(fixed.counterfactual?.changes).toMatchObject([{ column: "b", to: expect.closeTo(1.9, 3) }]);
});

test("any other model of one table is asked: its contributions add up, and are the same every time", async () => {
  const { counted, request } = await askedOf(mlpModel([3, 4, 2]), columns, [0.9, 0.1, 0.5]);
  expect([counted.covers, counted.means]).toEqual([undefined, undefined]);
  expect(counted.standIns).toHaveLength(50);
  const explainer = createChildExplainer(objects);
  const found = await explainer.explain(request, signal);
  expect(found).toMatchObject({
    method: "kernel_shap",
    unit: "score",
    counterfactualSearch: "not_done",
    reproduced: "exactly",
  });
  const moved = found.contributions.reduce((sum, one) => sum + one.contribution, found.expected);
  expect(moved).toBeCloseTo(found.score, 6);
  expect(await explainer.explain(request, signal)).toEqual(found);
});

test("values that stand in are no single row's: each is had by five rows, or is a mean of five", async () => {
  const { counted } = await askedOf(mlpModel([3, 4, 2]), columns, [0.9, 0.1, 0.5]);
  for (const [at, column] of columns.entries()) {
    const read = await runAnalysis({
      statements: [
        {
          sql: `select ${column}::float as v from read_parquet('${join(folder, "work/rows.parquet")}') where ${column} is not null group by 1 having count(*) < 5`,
          returns: "rows",
        },
      ],
      readable: [join(folder, "work/rows.parquet")],
      workFolder: join(folder, "spill"),
    });
    const rare = new Set((read.rows["rows"] ?? []).map(({ v }) => v));
    for (const row of counted.standIns ?? []) expect(rare.has(row[at])).toBe(false);
  }
});

test("a model that does more with its trees is asked, too: its own score is explained, not theirs", async () => {
  const { counted, request } = await askedOf(
    treesModel(20, columns.length, 4, true),
    columns,
    [0.7, 0.65, 0.9],
  );
  expect(counted.covers).toBeUndefined();
  const found = await createChildExplainer(objects).explain(request, signal);
  const said = (JSON.parse(request.answer) as { outputs: { name: string; data: number[] }[] }).outputs;
  expect(found.method).toBe("kernel_shap");
  expect(said.find(({ name }) => name === "z")?.data).toContain(found.score);
});

test("what cannot be explained is refused with its reason", async () => {
  const explainer = createChildExplainer(objects);
  await expect(explainer.explain(await asked({ row: 2 }), signal)).rejects.toMatchObject({
    code: "evaluation.not_explainable",
    detail: "the request has no row 2: it has 2, counted from 0",
  });
  const words = await objects.put(identityModel(onnxType.string, [null]));
  expect(await explainer.background({ model: words, dataset, features: ["a"] }, signal)).toEqual({
    unexplainable: "it does not take one table of numbers and give numbers back",
  });
  await expect(explainer.explain(await asked({ fixed: ["agee"] }), signal)).rejects.toMatchObject({
    detail: "there is no column agee to leave alone, there are a, b, c",
  });
  const gone = new AbortController();
  gone.abort();
  await expect(explainer.explain(await asked(), gone.signal)).rejects.toThrow(/caller left/);
  const swapped: ExplainRequest["recorded"] = {
    kind: "cells",
    cells: [1, 0, 2].map((index) => ({ input: "x", index })),
    values: columns.map((name) => ({ name: `view@1.${name}`, value: 0.5, source: "online" })),
  };
  await expect(explainer.explain(await asked({ recorded: swapped }), signal)).rejects.toMatchObject({
    detail: "the record fills column 1 with a, where the background has b",
  });
});
