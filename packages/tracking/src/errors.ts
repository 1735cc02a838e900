import type { ErrorSpec } from "@portolan/kernel";

export const trackingErrors = {
  "tracking.invalid_value": { status: 400, title: "What was logged is not usable" },
  "tracking.param_changed": { status: 400, title: "A parameter cannot change" },
  "tracking.too_much_logged": { status: 400, title: "The run has logged too much" },
  "tracking.tag_not_found": { status: 404, title: "Tag not found" },
  "tracking.experiment_not_found": { status: 404, title: "Experiment not found" },
  "tracking.artifact_not_found": { status: 404, title: "Artifact not found" },
  "tracking.address_refused": { status: 403, title: "The signed address is not accepted" },
  "tracking.artifacts_full": { status: 400, title: "The run has no room for the file" },
  "tracking.model_not_found": { status: 404, title: "Logged model not found" },
  "tracking.model_ready": { status: 409, title: "The files of a model that is ready stay" },
  "tracking.not_run_owner": { status: 403, title: "The run is somebody else's" },
  "tracking.training_run_stays": { status: 403, title: "A run of training stays" },
  "tracking.run_deleted": { status: 409, title: "The run is deleted" },
  "tracking.run_not_open": { status: 409, title: "The run is not open for logging" },
} as const satisfies Record<string, ErrorSpec>;
export type TrackingErrorCode = keyof typeof trackingErrors;
