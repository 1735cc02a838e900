import { isPortolanError, type PortolanError } from "@portolan/kernel";

/** The charter holds new work, for its month's money is spent. */
export const budgetExhausted = "metering.budget_exhausted";

/** Whether a refusal to start a run goes by without anybody mending the request: money comes with the month, and a full queue empties. Pure. */
export function isPassingRefusal(error: unknown): error is PortolanError {
  return isPortolanError(error) && [budgetExhausted, "capacity.queue_full"].includes(error.code);
}
