import type { JsonObject } from "@portolan/kernel";
import { CharterDocument } from "./document.ts";

/** Where the schema is published for editors, relative to the repository. */
export const charterSchemaPath = "docs/schemas/charter.schema.json";

/** The JSON Schema (2020-12) of a charter file, for editors and for CI of others. */
export function charterJsonSchema(): JsonObject {
  const schema = JSON.parse(JSON.stringify(CharterDocument)) as JsonObject;
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    $id: "urn:portolan:schema:charter:v1",
    ...schema,
  };
}
