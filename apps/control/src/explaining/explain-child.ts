import { readFile } from "node:fs/promises";
import type { ExplainedRow, RecordedRow } from "@portolan/evaluation";
import type { ExplanationBackground } from "@portolan/evaluation/contract";
import { countCovers } from "@portolan/explanations";
import { messageOf } from "@portolan/kernel";
import { createSession } from "@portolan/onnx/session";
import type { ModelSignature } from "@portolan/onnx-format";
import { filledInputs, readInferRequest, readV1Predict, type Tensor } from "@portolan/serving/policy";
import { fillInputs, tensorsOf } from "../scoring/model-inputs.ts";
import { readReference } from "../scoring/read-reference.ts";
import { canBeAsked, drawStandIns, explainByAsking } from "./explain-any.ts";
import type { ExplainChildJob, ExplainChildReply } from "./explain-messages.ts";
import { explainTrees, treesOf } from "./explain-trees.ts";

/** Counts the background of a model's explanations, and explains a recorded row, in a process of its own. */

/** A runtime that adds in single precision, and one that adds many rows at once, differ by this part at most. */
const rounding = 1e-5;

process.once("message", (job: ExplainChildJob) => {
  const work = job.kind === "background" ? countBackground(job) : explain(job);
  work
    .catch((error: unknown): ExplainChildReply => ({ kind: "refused", reason: messageOf(error) }))
    .then((reply) => process.send?.(reply, () => process.disconnect()))
    .catch(() => process.exit(1));
});

async function countBackground(
  job: Extract<ExplainChildJob, { kind: "background" }>,
): Promise<ExplainChildReply> {
  const ensemble = treesOf(await readFile(job.modelPath), job.signature);
  if (!ensemble && !canBeAsked(job.signature)) return { kind: "unexplainable" };
  const inputs = fillInputs(job.signature, job.features);
  const columns = inputs.flatMap(({ columns: names }) => names);
  const { table, rows, sampledEvery } = await readReference(job.datasetPath, inputs);
  const numbers = numbersOf(tensorsOf(inputs, table, 0, rows)[0]);
  const found = ensemble
    ? { covers: countCovers(ensemble, numbers, columns.length).map((counts) => [...counts]) }
    : { standIns: drawStandIns(numbers, columns.length) };
  return { kind: "counted", counted: { rows, sampledEvery, columns, ...found } };
}

async function explain(job: Extract<ExplainChildJob, { kind: "explain" }>): Promise<ExplainChildReply> {
  const bytes = await readFile(job.modelPath);
  const background = JSON.parse(await readFile(job.backgroundPath, "utf8")) as ExplanationBackground;
  const tensors = recordedInputs(job.recorded, job.signature);
  const values = numbersOf(tensors[0]);
  const width = background.columns.length;
  const rows = values.length / width;
  if (job.row >= rows) throw new Error(`the request has ${rows} rows, numbered from 0`);
  const row = values.subarray(job.row * width, (job.row + 1) * width);
  const session = await createSession(bytes, job.signature);
  const reproduced = compare(await session.run(tensors), job.answer);
  const ensemble = background.covers && treesOf(bytes, job.signature);
  const found = ensemble
    ? explainTrees(ensemble, background, row, job)
    : await explainByAsking(session, job.signature, background, row, job);
  return { kind: "explained", explained: { ...found, reproduced } };
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
