import type { AnalysisStatement } from "@portolan/data/contract";
import { quoteName } from "@portolan/expressions";
import { isPick } from "./aggregates.ts";
import type { WindowPlanInput } from "./events-sql.ts";
import { pickStatements } from "./pick-plan.ts";
import { sumStatements } from "./sum-plan.ts";

/**
 * Values of a view at many moments, exact to the microsecond (docs/spec/features.md F1 to F5, F26 to F28): an event counts at T when
 * T − window < event ≤ T and it was available at T. Sums by one pass, single values by a tree over the moments.
 */
export function windowStatements(input: WindowPlanInput): AnalysisStatement[] {
  const { view, into } = input;
  const picks = view.features.filter(isPick);
  const sums = view.features.filter((feature) => !isPick(feature));
  if (picks.length === 0) return sumStatements({ ...input, features: sums });
  if (sums.length === 0) return pickStatements({ ...input, features: picks });
  const [first, second] = [`${into}_sums`, `${into}_picks`];
  return [
    ...sumStatements({ ...input, features: sums, into: first }),
    ...pickStatements({ ...input, features: picks, into: second }),
    {
      sql: `create table ${into} as select _row, ${view.features.map(({ name }) => quoteName(name)).join(", ")} from ${first} join ${second} using (_row)`,
    },
    { sql: `drop table ${first}` },
    { sql: `drop table ${second}` },
  ];
}
