import type { FastifyDynamicSwaggerOptions } from "@fastify/swagger";
import { Problem, problemContentType } from "@portolan/http-contract";
import type { FastifySchema } from "fastify";

type Describe = NonNullable<FastifyDynamicSwaggerOptions["transform"]>;

const problemAnswer = { $ref: "#/components/responses/Problem" };
const problemResponse = {
  description: "A problem (RFC 9457); `code` names its page under docs/errors",
  content: { [problemContentType]: { schema: { ...Problem, $id: undefined } } },
};
const methods = ["get", "put", "post", "delete", "patch"];

const document = {
  openapi: "3.1.0",
  info: {
    title: "Portolan control API",
    version: "0.1.0",
    description:
      "From proof of concept to governed production: one charter, enforced. Errors are RFC 9457 problem details.",
    license: { name: "Apache-2.0", identifier: "Apache-2.0" },
  },
  components: {
    securitySchemes: { bearer: { type: "http" as const, scheme: "bearer" } },
  },
  security: [{ bearer: [] }],
};

/** How the routes become an OpenAPI 3.1 document. */
export const openApiOptions: FastifyDynamicSwaggerOptions = {
  openapi: document,
  transform: describeRoute,
  transformObject: (made) =>
    "openapiObject" in made ? withProblems(made.openapiObject) : made.swaggerObject,
};

/** Adds what a route declares beside its schema: its action, what the ledger keeps, whether it is open. */
function describeRoute({ schema, url, route }: Parameters<Describe>[0]): ReturnType<Describe> {
  const { action, ledger } = route.config ?? {};
  const described: FastifySchema & Record<`x-${string}`, unknown> = {
    ...(schema as FastifySchema | undefined),
    ...(action === "public" ? { security: [] } : {}),
    "x-portolan-action": action,
    "x-portolan-ledger": ledger,
  };
  return { schema: described, url };
}

/** Every operation may answer with a problem. */
function withProblems<T extends { paths?: unknown; components?: object }>(made: T): T {
  const paths = (made.paths ?? {}) as Record<string, Record<string, { responses?: object }>>;
  const described = Object.entries(paths).map(([path, item]) => {
    const operations = Object.entries(item).map(([method, operation]) => [
      method,
      methods.includes(method)
        ? { ...operation, responses: { ...operation.responses, default: problemAnswer } }
        : operation,
    ]);
    return [path, Object.fromEntries(operations)];
  });
  const components = { ...made.components, responses: { Problem: problemResponse } };
  return { ...made, components, paths: Object.fromEntries(described) };
}
