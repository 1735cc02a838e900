import type { ErrorSpec } from "@portolan/kernel";

export const featureErrors = {
  "features.view_invalid": { status: 400, title: "Feature view is not usable" },
  "features.view_conflict": {
    status: 409,
    title: "Feature view version is already published with other content",
  },
  "features.view_owned_elsewhere": { status: 409, title: "Feature view name belongs elsewhere" },
  "features.view_not_found": { status: 404, title: "Feature view not found" },
  "features.training_set_invalid": { status: 400, title: "Training set is not usable" },
  "features.training_set_not_found": { status: 404, title: "Training set not found" },
  "features.inputs_changed": { status: 409, title: "What it is made of has changed meanwhile" },
  "features.parity_broken": { status: 500, title: "Values disagree between executors" },
  "features.newer_values_online": { status: 409, title: "Newer values are online" },
  "features.dataset_missing": { status: 409, title: "No dataset to read from" },
  "features.dataset_unfit": { status: 409, title: "Dataset has not what the view reads" },
  "features.log_busy": { status: 409, title: "Feature log is written elsewhere" },
  "features.replay_too_large": { status: 413, title: "More to derive than one request may ask for" },
  "features.online_busy": { status: 409, title: "Online values are written elsewhere" },
  "features.online_unavailable": { status: 503, title: "Online store does not answer" },
  "features.fold_gap": { status: 409, title: "Online values lack records before these" },
} as const satisfies Record<string, ErrorSpec>;
export type FeatureErrorCode = keyof typeof featureErrors;
