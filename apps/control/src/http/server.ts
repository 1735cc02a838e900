import { readFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import {
  type ErrorCatalogue,
  expectationUnknown,
  hostMissing,
  malformed,
  malformedAnswer,
  problemContentType,
} from "@portolan/http-contract";
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
    clientErrorHandler: (error: NodeJS.ErrnoException, socket: Socket) => {
      if (socket.writable) socket.end(malformedAnswer(error.code), () => socket.destroy());
      else socket.destroy();
    },
  };
  // Node's own refusal says nothing: it is given here, with its mend.
  const ofNode = { requireHostHeader: false };
  const app: FastifyInstance = options.tls
    ? Fastify({
        ...settings,
        https: {
          ...ofNode,
          cert: readFileSync(options.tls.certFile),
          key: readFileSync(options.tls.keyFile),
        },
      })
    : Fastify({ ...settings, http: ofNode });
  refuseForbidden(app);
  validateStrictly(app);
  refuseImpossibleValues(app);
  answerErrors(app, options.catalogue, options.log);
  if (options.describes === false) return app;
  await app.register(swagger, openApiOptions);
  await app.register(swaggerUi, { routePrefix: "/docs", staticCSP: true });
  return app;
}

/** What the parser takes and HTTP forbids all the same. */
function refuseForbidden(app: FastifyInstance): void {
  app.addHook("onRequest", async (request, reply) => {
    if (request.raw.httpVersion !== "1.1" || request.headers.host !== undefined) return;
    const { status, body } = malformed(hostMissing);
    await reply.code(status).header("connection", "close").type(problemContentType).send(body);
  });
  app.server.on("checkExpectation", (_request, response: ServerResponse) => {
    const { status, body } = malformed(expectationUnknown);
    const headers = {
      connection: "close",
      "content-type": problemContentType,
      "content-length": body.length,
    };
    response.writeHead(status, headers).end(body);
  });
}
