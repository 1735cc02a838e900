import {
  type ErrorLocation,
  type ErrorSpec,
  isPortolanError,
  kernelErrors,
  type Violation,
} from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";

/** RFC 9457 problem details, with our extension members. Content type `application/problem+json`. */
export const Problem = Type.Object(
  {
    type: Type.String({ description: "Address of the page that explains this kind of problem" }),
    title: Type.String(),
    status: Type.Integer(),
    code: Type.String({ description: "Stable name, `<domain>.<what_happened>`" }),
    detail: Type.Optional(Type.String()),
    mend: Type.Optional(Type.String({ description: "What the caller can do about it" })),
    instance: Type.Optional(Type.String({ description: "Request id" })),
    at: Type.Optional(Type.Unknown()),
    violations: Type.Optional(Type.Array(Type.Unknown())),
  },
  { $id: "Problem" },
);
export type Problem = Static<typeof Problem>;

export const problemContentType = "application/problem+json";

export type ErrorCatalogue = Readonly<Record<string, ErrorSpec>>;

/**
 * The one mapping from errors to answers. An unknown error says nothing of its inside: it is logged
 * under the request id, and the caller gets `kernel.internal`.
 */
export function toProblem(error: unknown, catalogue: ErrorCatalogue, requestId?: string): Problem {
  if (!isPortolanError(error)) return internal(requestId);
  const spec = catalogue[error.code] ?? (kernelErrors as ErrorCatalogue)[error.code];
  if (!spec) return internal(requestId);
  return {
    type: `urn:portolan:error:${error.code}`,
    title: spec.title,
    status: spec.status,
    code: error.code,
    // A detail that repeats the title is left out: an unreadable and a missing resource then answer byte for byte alike.
    ...(error.detail === undefined || error.detail === spec.title ? {} : { detail: error.detail }),
    ...(error.mend === undefined ? {} : { mend: error.mend }),
    ...(requestId === undefined ? {} : { instance: requestId }),
    ...(error.at === undefined ? {} : { at: error.at satisfies ErrorLocation }),
    ...(error.violations.length === 0 ? {} : { violations: [...error.violations] satisfies Violation[] }),
  };
}

function internal(requestId: string | undefined): Problem {
  const spec = kernelErrors["kernel.internal"];
  return {
    type: "urn:portolan:error:kernel.internal",
    title: spec.title,
    status: spec.status,
    code: "kernel.internal",
    ...(requestId === undefined ? {} : { instance: requestId }),
  };
}
