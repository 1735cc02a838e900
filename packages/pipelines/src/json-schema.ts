import type { JsonObject } from "@portolan/kernel";
import { PipelineFileForEditors } from "./pipeline-file.ts";

/** Where the schema lies in the repository. */
export const pipelineSchemaPath = "docs/schemas/pipeline.schema.json";

/** JSON Schema of a pipeline's file (draft 2020-12). */
export function pipelineJsonSchema(): JsonObject {
  const schema = JSON.parse(JSON.stringify(PipelineFileForEditors)) as JsonObject;
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    $id: "urn:portolan:schema:pipeline:v1",
    ...schema,
  };
}
