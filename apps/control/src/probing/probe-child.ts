import type { ScoredRows } from "@portolan/evaluation";
import type { ProbeReports } from "@portolan/evaluation/contract";
import {
  measureMembership,
  membershipRows,
  probeSeed,
  reviewedRows,
  reviewLabels,
} from "@portolan/evaluation/policy";
import { drawRows } from "@portolan/explanations";
import { messageOf } from "@portolan/kernel";
import { type Rows, readRows } from "../scoring/read-rows.ts";
import { openRows, type RunRows, scoreRows } from "../scoring/run-rows.ts";
import { pickRows } from "./pick-rows.ts";
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
  const read = (path: string) => readRows({ datasetPath: path, labelColumn, featureColumns });
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
  { noTraining, featureColumns }: ProbeJob,
  run: RunRows,
  heldOut: Rows,
  training: Rows | undefined,
): Promise<NonNullable<ProbeReports["membership"]>> {
  if (!training) return { members: 0, others: heldOut.count, attacks: [], problem: noTraining };
  const scored = async (rows: Rows): Promise<Pick<ScoredRows, "scores" | "labels">> => {
    const drawn = pickRows(rows, featureColumns.length, drawRows(rows.count, membershipRows, probeSeed));
    return { scores: await scoreRows(run, drawn.features, drawn.count), labels: drawn.labels };
  };
  return measureMembership(await scored(training), await scored(heldOut));
}

function reviewTraining(
  { noTraining, featureColumns }: ProbeJob,
  training: Rows | undefined,
): NonNullable<ProbeReports["trainingData"]> {
  const none = { rows: 0, sampledEvery: 1, folds: 0, suspected: [], influential: [] };
  if (!training) return { ...none, problem: noTraining };
  const every = Math.max(1, Math.ceil(training.count / reviewedRows));
  const places = Array.from({ length: Math.ceil(training.count / every) }, (_, at) => at * every);
  const { features, labels } = pickRows(training, featureColumns.length, places);
  return reviewLabels(features, labels, every);
}
