/** One entry of a domain's error catalogue. Codes are names: `<domain>.<what_happened>`. */
export interface ErrorSpec {
  /** HTTP status that `apps/control` and `apps/gateway` answer with. */
  readonly status: number;
  /** Short and the same at every occurrence (RFC 9457 `title`). */
  readonly title: string;
}

/** Where a problem lies in what the user wrote. Lines and columns count from 1. */
export interface ErrorLocation {
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
  /** JSON pointer (RFC 6901) into the document or request. */
  readonly pointer?: string;
}

export interface Violation {
  readonly detail: string;
  /** What the user can do about it, in the imperative. */
  readonly mend?: string;
  readonly at?: ErrorLocation;
}

export interface ErrorContext {
  /** What happened this time, in one sentence without secrets. */
  readonly detail?: string;
  /** What the user can do about it, in the imperative. */
  readonly mend?: string;
  readonly at?: ErrorLocation;
  /** Several findings of one check, e.g. every error in a charter file. */
  readonly violations?: readonly Violation[];
  readonly cause?: unknown;
}

export const kernelErrors = {
  "kernel.not_canonical": { status: 400, title: "Value has no canonical form" },
  "kernel.bad_configuration": { status: 500, title: "Configuration is not usable" },
  "kernel.bad_unit": { status: 400, title: "Quantity is not understood" },
  "kernel.currency_mismatch": { status: 400, title: "Currencies differ" },
  "kernel.bad_request": { status: 400, title: "Request is not understood" },
  "kernel.body_too_large": { status: 413, title: "Request body exceeds the limit" },
  "kernel.plain_http_refused": { status: 400, title: "Credential would travel in clear" },
  "kernel.not_found": { status: 404, title: "Not found" },
  "kernel.conflict": { status: 409, title: "State changed in between" },
  "kernel.internal": { status: 500, title: "Internal fault" },
} as const satisfies Record<string, ErrorSpec>;

/**
 * The one error class. `Code` is a key of some domain's catalogue; the HTTP edge looks the code up
 * there, so that a code and its status are stated once.
 */
export class PortolanError<Code extends string = string> extends Error {
  /**
   * Whether new ones say where they were made. A process that answers thousands of refusals a second switches it off: code and detail say what
   * went wrong, and walking the stack costs more than all the rest of a refusal.
   */
  static tracesStack = true;
  override readonly name = "PortolanError";
  readonly code: Code;
  readonly detail: string | undefined;
  readonly mend: string | undefined;
  readonly at: ErrorLocation | undefined;
  readonly violations: readonly Violation[];

  constructor(code: Code, context: ErrorContext = {}) {
    const { stackTraceLimit } = Error;
    if (!PortolanError.tracesStack) Error.stackTraceLimit = 0;
    super(context.detail ? `${code}: ${context.detail}` : code, { cause: context.cause });
    Error.stackTraceLimit = stackTraceLimit;
    this.code = code;
    this.detail = context.detail;
    this.mend = context.mend;
    this.at = context.at;
    this.violations = context.violations ?? [];
  }
}

/** True across package copies and realms, where `instanceof` is not. */
export function isPortolanError(error: unknown): error is PortolanError {
  return error instanceof Error && error.name === "PortolanError" && "code" in error;
}

/** `message` of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
