import type { ErrorSpec } from "@portolan/kernel";

export const pipelineErrors = {
  "pipelines.definition_invalid": { status: 422, title: "Pipeline cannot be run as it is declared" },
  "pipelines.name_taken": { status: 409, title: "Pipeline belongs to another use case" },
  "pipelines.wrong_state": { status: 409, title: "Pipeline run is over" },
} as const satisfies Record<string, ErrorSpec>;

export type PipelineErrorCode = keyof typeof pipelineErrors;
