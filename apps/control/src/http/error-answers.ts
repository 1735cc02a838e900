import {
  type ErrorCatalogue,
  type Problem,
  problemContentType,
  restTaken,
  toProblem,
} from "@portolan/http-contract";
import { isPortolanError, type Logger, PortolanError } from "@portolan/kernel";
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";

/** Turns every error into `application/problem+json`; what is ours is described, what is not is only logged. */
export function answerErrors(app: FastifyInstance, catalogue: ErrorCatalogue, log: Logger): void {
  app.setErrorHandler((error: FastifyError, request: FastifyRequest, reply: FastifyReply) => {
    const known = translate(error, request);
    const problem = toProblem(known, catalogue, request.id);
    if (problem.status >= 500)
      log.error(
        { err: error, requestId: request.id, route: request.routeOptions.url },
        "control.request.failed",
      );
    if (problem.code === "kernel.body_too_large" && !request.raw.complete)
      return answerEarly(request, reply, problem);
    return reply.code(problem.status).type(problemContentType).send(problem);
  });
  app.setNotFoundHandler((request, reply) => {
    const error = new PortolanError("kernel.not_found", {
      detail: `there is no ${request.method} ${request.url.split("?")[0] ?? ""}`,
    });
    return reply
      .code(404)
      .type(problemContentType)
      .send(toProblem(error, catalogue, request.id));
  });
}

/** What was refused by its stated size is answered while its body still comes, and the connection is closed when it has come. */
async function answerEarly(
  request: FastifyRequest,
  reply: FastifyReply,
  problem: Problem,
): Promise<FastifyReply> {
  reply.hijack();
  const body = Buffer.from(JSON.stringify(problem));
  const headers = { connection: "close", "content-type": problemContentType, "content-length": body.length };
  reply.raw.writeHead(problem.status, headers);
  reply.raw.write(body);
  await restTaken(request.raw);
  reply.raw.end();
  return reply;
}

/** Fastify's own refusals (schema, body size, JSON syntax, media type) in our words. */
function translate(error: FastifyError, { routeOptions }: FastifyRequest): unknown {
  if (isPortolanError(error)) return error;
  if (error.validation) {
    return new PortolanError("kernel.bad_request", {
      detail: `${error.validationContext ?? "request"} does not fit the route`,
      mend: "See the violations and the API description under /docs.",
      violations: error.validation.map((finding) => ({
        detail: `${finding.instancePath || "/"} ${finding.message ?? "is not valid"}`,
        at: { pointer: finding.instancePath },
      })),
    });
  }
  if (error.code === "FST_ERR_CTP_BODY_TOO_LARGE")
    return new PortolanError("kernel.body_too_large", {
      detail: `${routeOptions.url ?? "this route"} takes at most ${routeOptions.bodyLimit} bytes at once`,
      mend: "Send less in one request; nothing of this one was taken.",
    });
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500) {
    return new PortolanError("kernel.bad_request", { detail: error.message });
  }
  return error;
}
