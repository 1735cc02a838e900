import { messageOf } from "@portolan/kernel";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";

/** JSON Schema 2020-12 of at most so many characters, with no reference to other documents. */
const longestSchema = 20_000;

type Schema = Readonly<Record<string, unknown>>;

/** Why a schema cannot be used; nothing where it can. */
export function schemaProblem(schema: Schema): string | undefined {
  if (JSON.stringify(schema).length > longestSchema)
    return `its schema has more than ${longestSchema} characters`;
  try {
    compileSchema(schema);
    return undefined;
  } catch (error) {
    return `its schema cannot be read: ${messageOf(error)}`;
  }
}

/** Formats are not held against a value: `format` alone is a note, as JSON Schema 2020-12 has it. */
export function compileSchema(schema: Schema): ValidateFunction {
  return new Ajv2020({ strict: true, validateFormats: false, logger: false }).compile(schema);
}
