import type { Environment } from "@portolan/kernel";
import type { ReleaseTerms } from "./ports.ts";

const approvalsByTolerance: Readonly<Record<ReleaseTerms["riskTolerance"], number>> = {
  low: 2,
  medium: 1,
  high: 0,
};

/**
 * How many people other than the requester must approve before a candidate answers anybody. Outside of production nobody, and with
 * a high tolerance for risk nobody either. Pure.
 */
export function approvalsNeeded(environment: Environment, terms: ReleaseTerms | undefined): number {
  return environment === "production" && terms ? approvalsByTolerance[terms.riskTolerance] : 0;
}
