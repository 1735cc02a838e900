import { Ajv, type ValidateFunction } from "ajv";
import addFormats from "ajv-formats";
import type { FastifyInstance } from "fastify";

const common = { useDefaults: true, allErrors: false, strict: false } as const;

/**
 * Query strings and paths are text, so their numbers are read as numbers. Bodies are JSON and say what they mean: nothing is
 * coerced (a coerced `null` once became 0), and unknown members are refused where a schema is closed, never dropped.
 */
export function validateStrictly(app: FastifyInstance): void {
  const strict = new Ajv(common);
  const reading = new Ajv({ ...common, coerceTypes: "array" });
  for (const ajv of [strict, reading]) addFormats.default(ajv);
  app.setValidatorCompiler<object>(({ schema, httpPart }) =>
    onFirstUse(() => (httpPart === "body" ? strict : reading).compile(withBounds(schema))),
  );
}

interface OnFirstUse {
  (data: unknown): boolean;
  errors: NonNullable<ValidateFunction["errors"]> | null;
}

/** Compiling all routes' schemas at the start took a fifth of it, and most routes are not called before the next one. */
function onFirstUse(compile: () => ValidateFunction): OnFirstUse {
  let validate: ValidateFunction | undefined;
  const validator = (data: unknown): boolean => {
    validate ??= compile();
    const isValid = validate(data) === true;
    // Where Fastify looks for what was wrong.
    validator.errors = validate.errors ?? null;
    return isValid;
  };
  validator.errors = null as OnFirstUse["errors"];
  return validator;
}

/**
 * An integer beyond 2^53 has lost digits before anybody sees it. A schema that names no bound gets this one, so that no route has
 * to; the schema itself is left as it is, since the API's description is made of it.
 */
function withBounds(schema: object): object {
  return JSON.parse(JSON.stringify(schema), (_name, value: unknown) =>
    isIntegerSchema(value)
      ? { minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER, ...value }
      : value,
  ) as object;
}

function isIntegerSchema(value: unknown): value is { readonly type: "integer" } {
  return typeof value === "object" && value !== null && "type" in value && value.type === "integer";
}
