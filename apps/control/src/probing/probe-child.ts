import type { ProbeReports } from "@portolan/evaluation/contract";
import {
  measureClassMembership,
  measureMembership,
  membershipRows,
  probeSeed,
  reviewedRows,
  reviewLabels,
} from "@portolan/evaluation/policy";
import { drawRows } from "@portolan/explanations";
import { messageOf } from "@portolan/kernel";
import { readQuantityRows, readRows } from "../scoring/read-rows.ts";
import { openRows, type RunRows, scoreClassRows, scoreRows } from "../scoring/run-rows.ts";
import { type ProbedRows, pickRows } from "./pick-rows.ts";
import type { ProbeJob, ProbeReply } from "./probe-messages.ts";
import { probeRobustness } from "./probe-robustness.ts";

/** Asks one model more than held-out rows, in a process of its own: it may be no model, or one that hangs. */

process.once("message", (job: ProbeJob) => {
  probe(job)
    .then((reports): ProbeReply => ({ kind: "probed", reports }))
    .catch((error: unknown): ProbeReply => ({ kind: "refused", reason: messageOf(error) }))
    .then((reply) => process.send?.(reply, () => process.disconnect()))
    .catch(() => process.exit(1));
});

async function probe(job: ProbeJob): Promise<ProbeReports> {
  const { datasetPath, trainingPath, labelColumn, featureColumns } = job;
  const read = (path: string): Promise<ProbedRows> => {
    const rows = { datasetPath: path, labelColumn, featureColumns };
    return job.isSeveral ? readQuantityRows(rows) : readRows(rows);
  };
  const heldOut = await read(datasetPath);
  const training = trainingPath === undefined ? undefined : await read(trainingPath);
  const run = await openRows(job.modelPath);
  const robustness =
    job.robustness && (await probeRobustness(job, job.robustness, run, { heldOut, training }));
  return {
    ...(robustness ? { robustness } : {}),
    ...(job.membership ? { membership: await probeMembership(job, run, heldOut, training) } : {}),
    ...(job.trainingData ? { trainingData: reviewTraining(job, training) } : {}),
  };
}

async function probeMembership(
  { noTraining, featureColumns, isSeveral }: ProbeJob,
  run: RunRows,
  heldOut: ProbedRows,
  training: ProbedRows | undefined,
): Promise<NonNullable<ProbeReports["membership"]>> {
  const none = (problem: string) => ({ members: 0, others: heldOut.count, attacks: [], problem });
  if (!training) return none(noTraining);
  const draw = (rows: ProbedRows) =>
    pickRows(rows, featureColumns.length, drawRows(rows.count, membershipRows, probeSeed));
  if (isSeveral) {
    const likely = async (rows: ProbedRows) => {
      const { features, labels } = draw(rows);
      const { likelihoods, labels: classes } = await scoreClassRows(run, features, labels);
      return likelihoods && { likelihoods, labels: classes };
    };
    const [members, others] = [await likely(training), await likely(heldOut)];
    return members && others
      ? measureClassMembership(members, others)
      : none("the model's scores are no probabilities, so no row has a loss");
  }
  const scored = async (rows: ProbedRows) => {
    const { features, labels, count } = draw(rows);
    return { scores: await scoreRows(run, features, count), labels: Uint8Array.from(labels) };
  };
  return measureMembership(await scored(training), await scored(heldOut));
}

function reviewTraining(
  { noTraining, featureColumns, isSeveral }: ProbeJob,
  training: ProbedRows | undefined,
): NonNullable<ProbeReports["trainingData"]> {
  const none = { rows: 0, sampledEvery: 1, folds: 0, suspected: [], influential: [] };
  if (isSeveral) return { ...none, problem: "labels are reviewed of two classes only" };
  if (!training) return { ...none, problem: noTraining };
  const every = Math.max(1, Math.ceil(training.count / reviewedRows));
  const places = Array.from({ length: Math.ceil(training.count / every) }, (_, at) => at * every);
  const { features, labels } = pickRows(training, featureColumns.length, places);
  return reviewLabels(features, Uint8Array.from(labels), every);
}
