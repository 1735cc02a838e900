import type { MigrationSet } from "@portolan/kernel";
import type { FastifyInstance } from "fastify";
import type { PipelineDeps } from "./pipeline-deps.ts";
import { pipelineRoutes } from "./routes/pipelines.ts";

export { type ControllerDeps, PipelineController } from "./controller.ts";
export { type PipelineErrorCode, pipelineErrors } from "./errors.ts";
export { pipelineFacts } from "./facts-store.ts";
export { pipelineJsonSchema, pipelineSchemaPath } from "./json-schema.ts";
export type { PipelineDeps } from "./pipeline-deps.ts";
export type { Elsewhere } from "./ports.ts";
export { type ScheduleDeps, startDueRuns } from "./schedule.ts";

export const pipelineMigrations: MigrationSet = {
  package: "pipelines",
  directory: new URL("../migrations/", import.meta.url),
  after: [],
};

export async function registerPipelineRoutes(app: FastifyInstance, deps: PipelineDeps): Promise<void> {
  await app.register((scope) => pipelineRoutes(scope, deps));
}
