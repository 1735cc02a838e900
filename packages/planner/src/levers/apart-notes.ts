import { type ApartWorkload, sizedWorkloads } from "../costs/workloads.ts";
import type { LeverName, LeverQuestion } from "./levers.ts";

/** What a lever does of batches, searches and tuning, or why it does nothing of them. */
const notes: Readonly<Record<LeverName, Readonly<Record<ApartWorkload, string>>>> = {
  quantisation: {
    batch_inference:
      "a row of a batch takes less time as well, and batches stay on the machines that they have",
    retrieval: "vectors are no weights: vector-index-factor plans compressed ones",
    fine_tuning: "tuning keeps the full precision",
  },
  cpu_inference: {
    batch_inference: "batches stay where they are: the time of a row was stated for it",
    retrieval: "cores search already",
    fine_tuning: "tuning takes cards",
  },
  mig_pooling: {
    batch_inference: "a batch fills its cards, and gives them back",
    retrieval: "searches take no card",
    fine_tuning: "tuning fills its cards, and gives them back",
  },
  right_sizing: {
    batch_inference: "batches are paid by the hour of work",
    retrieval: "searches have the cores that they take, one a copy at least",
    fine_tuning: "tuning is paid by the hour of work",
  },
  autoscaling: {
    batch_inference: "batches have machines only while they run",
    retrieval: "copies stay, for their vectors are in memory",
    fine_tuning: "tuning has cards only while it runs",
  },
  spot_training: {
    batch_inference: "batches are on spot machines already where that costs less",
    retrieval: "somebody waits for a search",
    fine_tuning: "tuning is on spot machines already where that costs less",
  },
  reserved_steady: {
    batch_inference: "a batch leaves a reservation idle between its runs",
    retrieval: "searches never stop: their cores and memory are reserved as well where they are in the cloud",
    fine_tuning: "tuning leaves a reservation idle between its runs",
  },
};

const names: Readonly<Record<ApartWorkload, string>> = {
  batch_inference: "batch inference",
  retrieval: "retrieval",
  fine_tuning: "fine-tuning",
};

/** One of each workload that this plan has the size of. */
export function apartNotes(lever: LeverName, { question }: LeverQuestion): string {
  return sizedWorkloads(question.assumptions)
    .map((workload) => `; ${names[workload]}: ${notes[lever][workload]}`)
    .join("");
}
