import type { ErrorSpec } from "@portolan/kernel";

export const trainingErrors = {
  "training.run_not_found": { status: 404, title: "Training run not found" },
  "training.training_set_missing": { status: 409, title: "Training set is not ready" },
  "training.base_unfit": { status: 409, title: "The model cannot be started from" },
  "training.no_python": { status: 503, title: "No usable Python" },
  "training.lock_invalid": { status: 422, title: "Lock file is not usable" },
  "training.environment_failed": { status: 422, title: "Environment could not be built" },
  "training.not_isolated": { status: 503, title: "Trainer cannot be isolated" },
  "training.trainer_failed": { status: 422, title: "Trainer failed" },
  "training.backend_missing": { status: 409, title: "Training backend is not configured" },
  "training.inputs_too_large": { status: 422, title: "Inputs are too large for the cluster" },
  "training.cluster_unreachable": { status: 503, title: "Cluster does not answer" },
  "training.cluster_refused": { status: 502, title: "Cluster refused the job" },
  "training.not_preemptible": { status: 409, title: "Training run keeps its place" },
  "training.interrupted": { status: 503, title: "Training was interrupted" },
} as const satisfies Record<string, ErrorSpec>;
export type TrainingErrorCode = keyof typeof trainingErrors;
