import { charterJsonSchema, charterSchemaPath } from "@portolan/charter";
import type { Generator } from "../generated-files.ts";

/** docs/schemas/charter.schema.json: what editors complete and check a charter.yaml with. */
export const generator: Generator = {
  generate() {
    return new Map([[charterSchemaPath, `${JSON.stringify(charterJsonSchema(), null, 2)}\n`]]);
  },
};
