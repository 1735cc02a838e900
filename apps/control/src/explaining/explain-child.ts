import { readFile } from "node:fs/promises";
import type { ExplainedRow, RecordedRow } from "@portolan/evaluation";
import type { ExplanationBackground } from "@portolan/evaluation/contract";
import {
  countCovers,
  type Decision,
  decisionOf,
  nearestChange,
  scoresOf,
  TreeShap,
} from "@portolan/explanations";
import { messageOf } from "@portolan/kernel";
import { createSession } from "@portolan/onnx/session";
import { type ModelSignature, readTreeEnsemble, type TreeEnsemble } from "@portolan/onnx-format";
import { filledInputs, readInferRequest, readV1Predict, type Tensor } from "@portolan/serving/policy";
import { fillInputs, readAs, tensorsOf } from "../scoring/model-inputs.ts";
import { quotedName, quotedText, withDuckDb } from "../scoring/read-table.ts";
import type { ExplainChildJob, ExplainChildReply } from "./explain-messages.ts";

/** Counts the background of a model's explanations, and explains a recorded row, in a process of its own. */

/** Of the training set: shares at the nodes are known to a tenth of a percent. */
const mostRows = 250_000;
const mostValues = 10_000_000;
/** Nodes of all trees: what the counts take as JSON. */
const mostNodes = 2_000_000;
/** A runtime that adds in single precision, and one that adds many rows at once, differ by this part at most. */
const rounding = 1e-5;

process.once("message", (job: ExplainChildJob) => {
  const work = job.kind === "background" ? countBackground(job) : explain(job);
  work
    .catch((error: unknown): ExplainChildReply => ({ kind: "refused", reason: messageOf(error) }))
    .then((reply) => process.send?.(reply, () => process.disconnect()))
    .catch(() => process.exit(1));
});

/** The trees of a model that takes one table of numbers; undefined for any other. */
function treesOf(bytes: Uint8Array, { inputs }: ModelSignature): TreeEnsemble | undefined {
  const [only] = inputs;
  if (!only || inputs.length > 1 || only.shape.length !== 2) return undefined;
  if (only.datatype !== "FP32" && only.datatype !== "FP64") return undefined;
  const ensemble = readTreeEnsemble(bytes);
  const nodes = ensemble?.trees.reduce((sum, { modes }) => sum + modes.length, 0) ?? 0;
  return nodes > 0 && nodes <= mostNodes ? ensemble : undefined;
}

async function countBackground(
  job: Extract<ExplainChildJob, { kind: "background" }>,
): Promise<ExplainChildReply> {
  const ensemble = treesOf(await readFile(job.modelPath), job.signature);
  if (!ensemble) return { kind: "unexplainable" };
  const inputs = fillInputs(job.signature, job.features);
  const columns = inputs.flatMap(({ columns: names }) => names);
  const source = `read_parquet(${quotedText(job.datasetPath)}, file_row_number = true)`;
  return withDuckDb(async (ask) => {
    const counted = await ask(`select count(*)::integer as n from ${source}`);
    const most = Math.max(1, Math.min(mostRows, Math.floor(mostValues / columns.length)));
    const sampledEvery = Math.max(1, Math.ceil(Number(counted.columns.get("n")?.[0] ?? 0) / most));
    const read = inputs.flatMap(({ spec, columns: names }) =>
      names.map((name) => `${readAs(spec, quotedName(name))} as ${quotedName(name)}`),
    );
    const { columns: table, rows } = await ask(
      `select ${read.join(", ")} from ${source} where file_row_number % ${sampledEvery} = 0 order by file_row_number`,
    );
    if (rows === 0) throw new Error("the training set has no rows");
    const [tensor] = tensorsOf(inputs, table, 0, rows);
    const covers = countCovers(ensemble, numbersOf(tensor), columns.length);
    return {
      kind: "counted",
      counted: { rows, sampledEvery, columns, covers: covers.map((counts) => [...counts]) },
    };
  });
}

async function explain(job: Extract<ExplainChildJob, { kind: "explain" }>): Promise<ExplainChildReply> {
  const bytes = await readFile(job.modelPath);
  const ensemble = treesOf(bytes, job.signature);
  if (!ensemble) throw new Error("the model is no tree ensemble over one table of numbers");
  const background = JSON.parse(await readFile(job.backgroundPath, "utf8")) as ExplanationBackground;
  const tensors = recordedInputs(job.recorded, job.signature);
  const values = numbersOf(tensors[0]);
  const width = background.columns.length;
  const rows = values.length / width;
  if (job.row >= rows) throw new Error(`the request has ${rows} rows, numbered from 0`);
  const row = values.subarray(job.row * width, (job.row + 1) * width);
  const session = await createSession(bytes, job.signature);
  const reproduced = compare(await session.run(tensors), job.answer);
  const isPrecise = job.signature.inputs[0]?.datatype === "FP64";
  return {
    kind: "explained",
    explained: { ...explainRow(ensemble, background, row, job, isPrecise), reproduced },
  };
}

function explainRow(
  ensemble: TreeEnsemble,
  { columns, covers }: ExplanationBackground,
  row: Float32Array | Float64Array,
  { top, fixed }: { readonly top: number; readonly fixed: readonly string[] },
  isPrecise: boolean,
): Omit<ExplainedRow, "reproduced"> {
  const { targets } = ensemble;
  const counts = covers.map((tree) => Float64Array.from(tree));
  const { values, expected } = new TreeShap(ensemble, counts, columns.length).explain(row);
  const scores = scoresOf(ensemble, row);
  const decision = decisionOf(ensemble, scores);
  const { target, name, unit } = decision;
  const all = columns.map((column, at) => {
    const value = Number.isNaN(row[at]) ? null : (row[at] ?? null);
    const contribution = values[at * targets + target] ?? 0;
    return { column, value, contribution, reason: reasonOf(column, value, contribution, unit) };
  });
  const sorted = all.toSorted((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution));
  const others = sorted.slice(top).reduce((sum, { contribution }) => sum + contribution, 0);
  const turned = turnedRow(
    ensemble,
    row,
    decision,
    (column) => !fixed.includes(columns[column] ?? ""),
    isPrecise,
  );
  return {
    target: name,
    unit,
    score: scores[target] ?? 0,
    expected: expected[target] ?? 0,
    contributions: sorted.slice(0, top),
    othersContribution: others,
    ...(turned === undefined
      ? {}
      : {
          counterfactual: {
            changes: turned.changes.map(({ column, from, to }) => ({
              column: columns[column] ?? String(column),
              from: Number.isNaN(from) ? null : from,
              to,
            })),
            score: turned.scores[target] ?? 0,
            distance: turned.distance,
          },
        }),
  };
}

function turnedRow(
  ensemble: TreeEnsemble,
  row: ArrayLike<number>,
  { turns }: Decision,
  free: (column: number) => boolean,
  precise: boolean,
): ReturnType<typeof nearestChange> {
  return turns && nearestChange(ensemble, row, { ...turns, free, precise });
}

function reasonOf(
  column: string,
  value: number | null,
  contribution: number,
  unit: ExplainedRow["unit"],
): string {
  const said =
    value === null ? `${column} is absent` : `${column} is ${String(Number(value.toPrecision(6)))}`;
  if (contribution === 0) return `${said}, which changes nothing`;
  const by = Number(Math.abs(contribution).toPrecision(3));
  const what = unit === "log_odds" ? "the log odds" : "the score";
  return `${said}, which ${contribution > 0 ? "raises" : "lowers"} ${what} by ${by}`;
}

/** As the model got them. */
function recordedInputs(recorded: RecordedRow, signature: ModelSignature): readonly Tensor[] {
  if (recorded.kind === "cells") return filledInputs(signature, recorded.cells, recorded.values);
  const body = Buffer.from(recorded.text);
  const isV1 = "instances" in (JSON.parse(recorded.text) as object);
  return (isV1 ? readV1Predict(body, signature) : readInferRequest(body, undefined, signature)).inputs;
}

function numbersOf(tensor: Tensor | undefined): Float32Array | Float64Array {
  const data = tensor?.data;
  if (data instanceof Float32Array || data instanceof Float64Array) return data;
  throw new Error("the model's input holds no floating-point numbers");
}

interface RecordedAnswer {
  readonly outputs?: readonly { readonly name: string; readonly data: readonly unknown[] }[];
  readonly predictions?: readonly unknown[];
}

/** The outputs that the record names, beside what the model says now. */
function compare(now: readonly Tensor[], answer: string): ExplainedRow["reproduced"] {
  const said = JSON.parse(answer) as RecordedAnswer;
  let isExact = true;
  const outputs = said.outputs ?? firstOutput(now, said.predictions);
  for (const { name, data } of outputs) {
    const again = now.find((tensor) => tensor.name === name)?.data;
    const before = data.flat(Infinity);
    if (!again || again.length !== before.length) return "no";
    for (const [at, value] of before.entries()) {
      const other = again[at];
      const [left, right] = [Number(value), Number(other)];
      if (String(value) === String(other) || Object.is(Math.fround(left), right)) continue;
      isExact = false;
      if (!(Math.abs(left - right) <= rounding * Math.max(1, Math.abs(left)))) return "no";
    }
  }
  return isExact ? "exactly" : "to_rounding";
}

/** KServe's V1 names an output only where there are several. */
function firstOutput(
  now: readonly Tensor[],
  predictions: readonly unknown[] = [],
): { readonly name: string; readonly data: readonly unknown[] }[] {
  const [first] = predictions;
  if (now.length === 1 || typeof first !== "object" || first === null || Array.isArray(first))
    return [{ name: now[0]?.name ?? "", data: predictions }];
  const rows = predictions as readonly Readonly<Record<string, unknown>>[];
  return Object.keys(first).map((name) => ({ name, data: rows.map((row) => row[name]) }));
}
