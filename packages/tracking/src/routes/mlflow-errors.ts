import { type ErrorCatalogue, toProblem } from "@portolan/http-contract";
import { isPortolanError, type Logger, PortolanError } from "@portolan/kernel";
import type { FastifyError, FastifyInstance } from "fastify";
import type { TrackingErrorCode } from "../errors.ts";
import { unservedAnswer } from "./mlflow-unserved.ts";

/**
 * Errors of the routes of this scope as MLflow's clients read them: `{ "error_code", "message" }`. What may pass (a collision, a
 * machine without room) is a 503, which clients try again; bad input never is.
 */
export function answerAsMlflow(app: FastifyInstance, catalogue: ErrorCatalogue, log: Logger): void {
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const { status, code, detail, title, mend } = toProblem(translate(error), catalogue, request.id);
    if (status >= 500)
      log.error(
        { err: error, requestId: request.id, route: request.routeOptions.url },
        "tracking.request.failed",
      );
    const answer = answerOf(status, code);
    const message = [`${detail ?? title}.`, ...(mend === undefined ? [] : [mend])].join(" ");
    return reply.code(answer.status).send({ error_code: answer.errorCode, message });
  });
  app.setNotFoundHandler((request, reply) => {
    const { status, errorCode, message } = unservedAnswer(request.method, request.url.split("?")[0] ?? "");
    return reply.code(status).send({ error_code: errorCode, message });
  });
}

/** MLflow's name for an HTTP status (`mlflow/exceptions.py`), and the status that it goes with. */
function answerOf(status: number, code: string): { readonly status: number; readonly errorCode: string } {
  if (code === "kernel.conflict" || status === 503)
    return { status: 503, errorCode: "TEMPORARILY_UNAVAILABLE" };
  if (code === "registry.model_exists") return { status: 400, errorCode: "RESOURCE_ALREADY_EXISTS" };
  // A gate that stands is no fault of the message: whoever sends it again is refused again.
  if (code === "registry.promotion_blocked") return { status: 403, errorCode: "PERMISSION_DENIED" };
  if (status === 401) return { status, errorCode: "UNAUTHENTICATED" };
  if (status === 403) return { status, errorCode: "PERMISSION_DENIED" };
  if (status === 404) return { status, errorCode: "RESOURCE_DOES_NOT_EXIST" };
  if (status >= 500) return { status: 500, errorCode: "INTERNAL_ERROR" };
  return { status: 400, errorCode: "INVALID_PARAMETER_VALUE" };
}

/** Fastify's own refusals in our words. */
function translate(error: FastifyError): unknown {
  if (isPortolanError(error)) return error;
  const [finding] = error.validation ?? [];
  if (finding)
    return new PortolanError<TrackingErrorCode>("tracking.invalid_value", {
      detail: `${finding.instancePath || "/"} ${finding.message ?? "is not valid"}`,
    });
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500)
    return new PortolanError<TrackingErrorCode>("tracking.invalid_value", { detail: error.message });
  return error;
}
