import { readFile } from "node:fs/promises";
import type { RecordedRow } from "@portolan/evaluation";
import type { ExplanationBackground } from "@portolan/evaluation/contract";
import { countCovers } from "@portolan/explanations";
import { messageOf } from "@portolan/kernel";
import { createSession, type Session } from "@portolan/onnx/session";
import { type ModelSignature, readOnnxModel, signatureOf } from "@portolan/onnx-format";
import { filledInputs, readInferRequest, readV1Predict, type Tensor } from "@portolan/serving/policy";
import { fillInputs, tensorsOf } from "../scoring/model-inputs.ts";
import { readReference } from "../scoring/read-reference.ts";
import { compareAnswers } from "./compare-answers.ts";
import { answersStandIns, explainByAsking, makeStandIns } from "./explain-any.ts";
import { answersOfLinear, explainLinear, linearOf, summarise } from "./explain-linear.ts";
import type { ExplainChildJob, ExplainChildReply } from "./explain-messages.ts";
import { answersOfTrees, explainTrees, treesOf } from "./explain-trees.ts";
import type { ColumnsAsked, RowExplanation } from "./explained-columns.ts";
import { labelsOf, type Numbers, sayTheSame, takesTable } from "./model-table.ts";

/** Makes what a model's answers are explained against, and explains a recorded row, in a process of its own. */

/** Rows of the training set by which trees are held against their model. */
const comparedRows = 200;
/** Columns beyond which a model is not asked some hundred thousand times. */
const mostAsked = 200;

process.once("message", (job: ExplainChildJob) => {
  const work = job.kind === "background" ? makeBackground(job) : explain(job);
  work
    .catch((error: unknown): ExplainChildReply => ({ kind: "refused", reason: messageOf(error) }))
    .then((reply) => process.send?.(reply, () => process.disconnect()))
    .catch(() => process.exit(1));
});

async function makeBackground(
  job: Extract<ExplainChildJob, { kind: "background" }>,
): Promise<ExplainChildReply> {
  const bytes = await readFile(job.modelPath);
  const signature = signatureOf(readOnnxModel(bytes));
  if (!takesTable(signature))
    return unexplainable("it does not take one table of numbers and give numbers back");
  const inputs = fillInputs(signature, job.features);
  const columns = inputs.flatMap(({ columns: names }) => names);
  const { table, rows, sampledEvery } = await readReference(job.datasetPath, inputs);
  const numbers = numbersOf(tensorsOf(inputs, table, 0, rows)[0]);
  const session = await createSession(bytes, signature);
  const counted = { rows, sampledEvery, columns };
  const ensemble = treesOf(bytes, signature);
  const some = numbers.subarray(0, comparedRows * columns.length);
  if (ensemble && (await sayTheSame(answersOfTrees(ensemble), session, signature, some))) {
    const covers = countCovers(ensemble, numbers, columns.length).map((counts) => [...counts]);
    return { kind: "counted", counted: { ...counted, covers } };
  }
  const linear = linearOf(bytes, signature);
  const middles = linear && summarise(numbers, columns.length);
  if (linear && middles && (await sayTheSame(answersOfLinear(linear), session, signature, some)))
    return { kind: "counted", counted: { ...counted, ...middles } };
  if (columns.length > mostAsked)
    return unexplainable(`its answers are no trees' alone, and it has more than ${mostAsked} columns`);
  const standIns = makeStandIns(numbers, columns.length);
  if (!standIns) return unexplainable("a column of the training set has fewer than five numbers");
  if (!(await answersStandIns(session, signature, standIns)))
    return unexplainable("it makes no number of rows of middling values");
  return { kind: "counted", counted: { ...counted, standIns } };
}

function unexplainable(reason: string): ExplainChildReply {
  return { kind: "unexplainable", reason };
}

async function explain(job: Extract<ExplainChildJob, { kind: "explain" }>): Promise<ExplainChildReply> {
  const bytes = await readFile(job.modelPath);
  const signature = signatureOf(readOnnxModel(bytes));
  const background = JSON.parse(await readFile(job.backgroundPath, "utf8")) as ExplanationBackground;
  const { columns } = background;
  const unknown = job.fixed.filter((name) => !columns.includes(name));
  if (unknown.length > 0)
    throw new Error(
      `there is no column ${unknown.join(", ")} to leave alone, there are ${columns.join(", ")}`,
    );
  const tensors = recordedInputs(job.recorded, signature, columns);
  const [tensor] = tensors;
  const values = numbersOf(tensor);
  const width = columns.length;
  if (tensor?.shape[1] !== width)
    throw new Error(`the request has ${tensor?.shape[1] ?? 0} columns, the background ${width}`);
  const rows = values.length / width;
  if (job.row >= rows) throw new Error(`the request has no row ${job.row}: it has ${rows}, counted from 0`);
  const row = values.subarray(job.row * width, (job.row + 1) * width);
  const session = await createSession(bytes, signature);
  const said = await session.run(tensors);
  const reproduced = compareAnswers(said, job.answer);
  const found = await explainRow(bytes, session, signature, background, row, job);
  const decided = labelsOf(said, rows)?.[job.row];
  return {
    kind: "explained",
    explained: { ...found, ...(decided === undefined ? {} : { decided }), reproduced },
  };
}

/** By what the background was made for: trees and weights, which are held against the model once more, or asking it. */
async function explainRow(
  bytes: Uint8Array,
  session: Session,
  signature: ModelSignature,
  background: ExplanationBackground,
  row: Numbers,
  asked: ColumnsAsked,
): Promise<RowExplanation> {
  const ensemble = background.covers && treesOf(bytes, signature);
  const linear = background.means && linearOf(bytes, signature);
  const answersOf = ensemble ? answersOfTrees(ensemble) : linear && answersOfLinear(linear);
  if (answersOf && !(await sayTheSame(answersOf, session, signature, row)))
    throw new Error(`the model says of this row something else than its ${ensemble ? "trees" : "weights"}`);
  if (ensemble) return explainTrees(ensemble, session, signature, background, row, asked);
  if (linear) return explainLinear(linear, session, signature, background, row, asked);
  return explainByAsking(session, signature, background, row, asked);
}

/** As the model got them. */
function recordedInputs(
  recorded: RecordedRow,
  signature: ModelSignature,
  columns: readonly string[],
): readonly Tensor[] {
  if (recorded.kind === "body") {
    const body = Buffer.from(recorded.text);
    const isV1 = "instances" in (JSON.parse(recorded.text) as object);
    return (isV1 ? readV1Predict(body, signature) : readInferRequest(body, undefined, signature)).inputs;
  }
  const { cells, values } = recorded;
  for (const [at, { index }] of cells.entries()) {
    // A view's feature is recorded as view.feature.
    const name = values[at]?.name.split(".").at(-1) ?? "";
    if (columns.includes(name) && columns[index ?? 0] !== name)
      throw new Error(
        `the record fills column ${index ?? 0} with ${name}, where the background has ${columns[index ?? 0]}`,
      );
  }
  // JSON has no NaN: a value that is not there was one.
  const read = values.map(({ name, value }) => ({ name, value: value ?? "NaN" }));
  return filledInputs(signature, cells, read);
}

function numbersOf(tensor: Tensor | undefined): Numbers {
  const data = tensor?.data;
  if (data instanceof Float32Array || data instanceof Float64Array) return data;
  throw new Error("the model's input holds no floating-point numbers");
}
