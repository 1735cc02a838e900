import { pipelineJsonSchema, pipelineSchemaPath } from "@portolan/pipelines";
import type { Generator } from "../generated-files.ts";

/** docs/schemas/pipeline.schema.json: what editors complete and check a pipeline's file with. */
export const generator: Generator = {
  generate() {
    return new Map([[pipelineSchemaPath, `${JSON.stringify(pipelineJsonSchema(), null, 2)}\n`]]);
  },
};
