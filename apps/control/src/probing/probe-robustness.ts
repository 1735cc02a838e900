import { readFile } from "node:fs/promises";
import type { ProbeReports } from "@portolan/evaluation/contract";
import {
  attackedRows,
  certifiedRows,
  probeSeed,
  type RobustnessFound,
  robustnessReport,
} from "@portolan/evaluation/policy";
import {
  attackRows,
  certifiedRadius,
  drawRows,
  type MutableSpace,
  positiveMargin,
  spaceOf,
} from "@portolan/explanations";
import { createSession } from "@portolan/onnx/session";
import { readOnnxModel, signatureOf } from "@portolan/onnx-format";
import { answersOfTrees, treesOf } from "../explaining/explain-trees.ts";
import { sayTheSame, takesTable } from "../explaining/model-table.ts";
import { type RunRows, sayClasses, scoreRows } from "../scoring/run-rows.ts";
import { type ProbedRows, pickRows } from "./pick-rows.ts";
import type { ProbeJob } from "./probe-messages.ts";

/** A score from here on is a decision for the positive class, as in evaluations. */
const half = 0.5;
/** Rows whose values the attack takes over. */
const donorRows = 2000;

/** How hard rightly decided rows are to turn by changing some features: by an attack, and by what the trees themselves say. */
export async function probeRobustness(
  job: ProbeJob,
  { mutable, radius }: NonNullable<ProbeJob["robustness"]>,
  run: RunRows,
  { heldOut, training }: { readonly heldOut: ProbedRows; readonly training: ProbedRows | undefined },
): Promise<NonNullable<ProbeReports["robustness"]>> {
  const { featureColumns } = job;
  const width = featureColumns.length;
  const reference = training ? "training" : "held_out";
  const stated = { mutable, radius, reference } as const;
  const failed = (problem: string) => ({
    ...robustnessReport({ ...stated, distances: [], certificates: "" }),
    problem,
  });
  const unknown = mutable.filter((name) => !featureColumns.includes(name));
  if (unknown.length > 0) return failed(`the model has no feature ${unknown.join(", ")}`);
  const known = training ?? heldOut;
  const space = spaceOf(
    known.features,
    featureColumns.map((name) => mutable.includes(name)),
  );
  const constant = mutable.filter((name) => !space[featureColumns.indexOf(name)]?.isMutable);
  // Nothing shows how far it goes, and what is left alone turns no decision.
  if (constant.length > 0) return failed(`the rows have one value alone, or none, of ${constant.join(", ")}`);
  const decide = async (rows: Float32Array, count: number) =>
    job.isSeveral
      ? Float64Array.from(await sayClasses(run, rows, count))
      : (await scoreRows(run, rows, count)).map((score) => Number(score >= half));
  const drawn = pickRows(heldOut, width, drawRows(heldOut.count, 4 * attackedRows, probeSeed));
  const decided = await decide(drawn.features, drawn.count);
  const right = [...drawn.labels.keys()].filter((row) => decided[row] === drawn.labels[row]);
  const { features: rows } = pickRows(drawn, width, right.slice(0, attackedRows));
  const { features: donors } = pickRows(known, width, drawRows(known.count, donorRows, probeSeed));
  const found = await attackRows(decide, rows, { space, seed: probeSeed, donors });
  const distances = found.map(({ distance }) => distance);
  const certificates = job.isSeveral
    ? "certificates are of tree ensembles of two classes"
    : await certify(job.modelPath, rows, space);
  return robustnessReport({ ...stated, distances, certificates });
}

/** Of the first rows; the trees are held against the model first, as it may do more than they say. */
async function certify(
  modelPath: string | undefined,
  rows: Float32Array,
  space: MutableSpace,
): Promise<RobustnessFound["certificates"]> {
  if (modelPath === undefined) return "another server runs the model";
  const bytes = await readFile(modelPath);
  const signature = signatureOf(readOnnxModel(bytes));
  const ensemble = takesTable(signature) ? treesOf(bytes, signature) : undefined;
  const margin = ensemble && positiveMargin(ensemble);
  // The score is in the last output of numbers, and the trees are held against the first.
  const scores = signature.outputs.filter(({ datatype }) => datatype.startsWith("FP"));
  if (!ensemble || !margin || scores.length !== 1) return "the model is no tree ensemble of two classes";
  const width = space.length;
  const some = rows.subarray(0, certifiedRows * width);
  const session = await createSession(bytes, signature);
  if (!(await sayTheSame(answersOfTrees(ensemble), session, signature, some)))
    return "the model says something else than its trees";
  return Array.from({ length: some.length / width }, (_, at) =>
    certifiedRadius(ensemble, some.subarray(at * width, (at + 1) * width), margin, { space }),
  );
}
