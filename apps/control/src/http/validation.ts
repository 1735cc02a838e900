import { Ajv } from "ajv";
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
    (httpPart === "body" ? strict : reading).compile(schema),
  );
}
