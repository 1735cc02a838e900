import type { Counted, CountLine } from "../statement/unit-costs.ts";
import { countedAs } from "./resources.ts";
import type { TenantUsage } from "./statement-lines.ts";

/** Which recorded resource counts what a cost is divided by. */
const countsOf: Readonly<Record<string, Counted>> = {
  requests: "inferences",
  scored_rows: "scored_rows",
  training_runs: "training_runs",
};

/** What recorded usage says of inferences, scored rows and runs: requests that no model answered, such as reads of features and refusals at the door, are no inferences. Pure. */
export function recordedCounts(recorded: readonly TenantUsage[]): CountLine[] {
  return recorded.flatMap(({ tenant, resource, quantity }) => {
    const what = Object.hasOwn(countsOf, resource) ? countsOf[resource] : undefined;
    if (what === undefined || (what === "inferences" && tenant.model === "")) return [];
    return [{ tenant, what, count: quantity / countedAs(resource).perUnit }];
  });
}
