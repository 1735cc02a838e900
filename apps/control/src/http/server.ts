import { readFileSync } from "node:fs";
import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import type { ErrorCatalogue } from "@portolan/http-contract";
import { type Clock, type Logger, newId } from "@portolan/kernel";
import Fastify, { type FastifyInstance } from "fastify";
import { answerErrors } from "./error-answers.ts";
import { openApiOptions } from "./openapi.ts";
import { refuseImpossibleValues } from "./request-values.ts";
import { validateStrictly } from "./validation.ts";

export interface ServerOptions {
  readonly catalogue: ErrorCatalogue;
  readonly log: Logger;
  readonly clock: Clock;
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
  /** Whether it has its own description and pages; by default it has. */
  readonly describes?: boolean;
}

/** JSON bodies: charters, contracts and policies are texts of a few hundred kB at most. */
const bodyLimitBytes = 2 * 2 ** 20;

/** The HTTP server without routes: error answers, request ids and, unless told otherwise, OpenAPI with its pages under `/docs`. */
export async function createServer(options: ServerOptions): Promise<FastifyInstance> {
  const settings = {
    bodyLimit: bodyLimitBytes,
    routerOptions: { maxParamLength: 500 },
    genReqId: () => newId("request", options.clock.now()),
    forceCloseConnections: "idle" as const,
    // A request that comes while we close is answered like any other; Fastify's own 503 is no problem document.
    return503OnClosing: false,
    requestTimeout: 120_000,
  };
  const app: FastifyInstance = options.tls
    ? Fastify({
        ...settings,
        https: { cert: readFileSync(options.tls.certFile), key: readFileSync(options.tls.keyFile) },
      })
    : Fastify(settings);
  validateStrictly(app);
  refuseImpossibleValues(app);
  answerErrors(app, options.catalogue, options.log);
  if (options.describes === false) return app;
  await app.register(swagger, openApiOptions);
  await app.register(swaggerUi, { routePrefix: "/docs", staticCSP: true });
  return app;
}
