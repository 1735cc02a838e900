import { problemContentType, toProblem } from "@portolan/http-contract";
import { type JsonObject, PortolanError } from "@portolan/kernel";
import { type ServingErrorCode, servingErrors } from "@portolan/serving/policy";
import { Limited } from "../limits/limited.ts";

/** A whole answer, before it is written to the socket. */
export interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: Uint8Array | string;
  /** In place of `body`: written as it comes. */
  readonly stream?: AsyncIterable<Uint8Array>;
  /** How long the caller of a stream may leave what it was sent untaken, in milliseconds; then it has left. */
  readonly stallMs?: number;
  readonly headers: Record<string, string>;
  /** Error code, empty for successes. */
  readonly code: string;
  /** What went wrong and how to mend it, for protocols that carry text alone. */
  readonly detail?: string;
}

export function json(status: number, value: JsonObject, headers: Record<string, string> = {}): Answer {
  return { status, contentType: "application/json", body: JSON.stringify(value), headers, code: "" };
}

/**
 * A problem document (RFC 9457) that is at the same time the protocol's error object: clients of the Open Inference
 * Protocol read `error` alone.
 */
export function errorAnswer(error: unknown, requestId: string, headers: Record<string, string> = {}): Answer {
  const problem = toProblem(error, servingErrors, requestId);
  const text = problem.detail ?? problem.title;
  const detail = problem.mend ? `${text} ${problem.mend}` : text;
  const limited =
    error instanceof Limited ? { type: error.problemType, "violated-policies": error.violatedPolicies } : {};
  return {
    status: problem.status,
    contentType: problemContentType,
    body: JSON.stringify({ error: detail, ...problem, ...limited }),
    headers: {
      ...headers,
      ...(error instanceof Limited ? error.headers : {}),
      ...(problem.status === 401 ? { "www-authenticate": 'Bearer realm="portolan"' } : {}),
      // A halt lasts until somebody ends it: nobody should come back every second to see.
      ...(problem.status === 503 && problem.code !== "serving.not_served" ? { "retry-after": "1" } : {}),
    },
    code: problem.code,
    detail,
  };
}

export function fault(code: ServingErrorCode, detail: string, mend: string): PortolanError<ServingErrorCode> {
  return new PortolanError<ServingErrorCode>(code, { detail, mend });
}
