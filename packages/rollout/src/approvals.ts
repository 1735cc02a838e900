import type { Environment } from "@portolan/kernel";
import type { ReleaseTerms } from "./ports.ts";

const approvalsByTolerance: Readonly<Record<ReleaseTerms["riskTolerance"], number>> = {
  low: 2,
  medium: 1,
  // A wrong release may be borne; one that nobody else has seen is not asked for alone all the same.
  high: 1,
};

/**
 * How many people other than the requester must approve before a candidate answers anybody: in production at least one, whatever the
 * tolerance for risk; outside of it nobody. Pure.
 */
export function approvalsNeeded(environment: Environment, terms: ReleaseTerms | undefined): number {
  return environment === "production" && terms ? approvalsByTolerance[terms.riskTolerance] : 0;
}
