import { PortolanError } from "@portolan/kernel";
import type { ServingErrorCode } from "@portolan/serving/policy";

/** What the answer to a refused request says besides the error itself. */
export interface LimitedContext {
  readonly detail: string;
  readonly mend: string;
  /** One of the problem types of the IETF RateLimit draft. */
  readonly problemType: string;
  readonly violatedPolicies: readonly string[];
  readonly headers: Record<string, string>;
}

const problemTypes = "https://iana.org/assignments/http-problem-types";
export const abnormalUsageDetected = `${problemTypes}#abnormal-usage-detected`;
export const quotaExceeded = `${problemTypes}#quota-exceeded`;

/** A request beyond some limit, with what tells the client when to come back. */
export class Limited extends PortolanError<ServingErrorCode> {
  readonly headers: Record<string, string>;
  readonly problemType: string;
  readonly violatedPolicies: readonly string[];

  constructor(
    code: ServingErrorCode,
    { detail, mend, problemType, violatedPolicies, headers }: LimitedContext,
  ) {
    super(code, { detail, mend });
    this.headers = headers;
    this.problemType = problemType;
    this.violatedPolicies = violatedPolicies;
  }
}
