import { readFile } from "node:fs/promises";
import type { ExplainedRow, PredictionAsked, PredictionExplained } from "@portolan/evaluation";
import { countCovers } from "@portolan/explanations";
import { messageOf } from "@portolan/kernel";
import { createSession } from "@portolan/onnx/session";
import { readOnnxModel, signatureOf } from "@portolan/onnx-format";
import { fillInputs, tensorsOf } from "../scoring/model-inputs.ts";
import { readReference } from "../scoring/read-reference.ts";
import { answersStandIns, makeStandIns } from "./explain-any.ts";
import { answersOfLinear, linearOf, summarise } from "./explain-linear.ts";
import type { ExplainChildJob, ExplainChildNews, ExplainChildReply } from "./explain-messages.ts";
import { answersOfTrees, treesOf } from "./explain-trees.ts";
import { ExplainedModel } from "./explained-model.ts";
import { numbersOf, sayTheSame, takesTable } from "./model-table.ts";

/** Makes what a model's answers are explained against, and explains recorded rows, in a process of its own. */

/** Rows of the training set by which trees are held against their model. */
const comparedRows = 200;
/** Columns beyond which a model is not asked some hundred thousand times. */
const mostAsked = 200;

process.once("message", (job: ExplainChildJob) => {
  workOn(job)
    .catch((error: unknown): ExplainChildReply => ({ kind: "refused", reason: messageOf(error) }))
    .then((reply) => process.send?.(reply, () => process.disconnect()))
    .catch(() => process.exit(1));
});

function workOn(job: ExplainChildJob): Promise<ExplainChildReply> {
  switch (job.kind) {
    case "background":
      return makeBackground(job);
    case "explain":
      return explain(job);
    case "explain_many":
      return explainMany(job);
  }
}

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
  const model = await ExplainedModel.open(job.modelPath, job.backgroundPath);
  const request = await model.repeat(job.recorded, job.answer);
  return { kind: "explained", explained: await model.explain(request, job.row, job) };
}

/** One prediction after the other, each told at once: what ends this process takes none of the others with it. */
async function explainMany(
  job: Extract<ExplainChildJob, { kind: "explain_many" }>,
): Promise<ExplainChildReply> {
  const model = await ExplainedModel.open(job.modelPath, job.backgroundPath);
  const end = performance.now() + job.workMs;
  for (const [at, asked] of job.asked.entries()) {
    if (at > 0 && performance.now() > end) break;
    await tell({ kind: "one", at, result: await explainAll(model, asked, job.mostRows) });
  }
  return { kind: "ended" };
}

async function explainAll(
  model: ExplainedModel,
  asked: PredictionAsked,
  mostRows: number,
): Promise<PredictionExplained> {
  try {
    const request = await model.repeat(asked.recorded, asked.answer);
    const explained: ExplainedRow[] = [];
    for (let row = 0; row < Math.min(request.rows, mostRows); row++)
      explained.push(await model.explain(request, row, asked));
    return { kind: "explained", rows: request.rows, explained };
  } catch (error) {
    return { kind: "refused", reason: messageOf(error) };
  }
}

/** Resolves when it is known to be kept. */
function tell(message: ExplainChildNews): Promise<void> {
  return new Promise((resolve) => {
    process.once("message", () => resolve());
    process.send?.(message);
  });
}
