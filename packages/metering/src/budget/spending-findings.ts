import { formatMoney } from "@portolan/kernel";
import type { Anomaly } from "../anomaly/find-anomalies.ts";
import { alertPercents, estimated } from "./judge-budget.ts";
import type { Budget, UnjudgedBudget } from "./read-budgets.ts";

/** What somebody should be told of money or usage; one key for the same thing. */
export interface SpendingFinding {
  readonly useCaseId: string | null;
  /** The use case, or the business unit and team. */
  readonly who: string;
  readonly what: string;
  readonly summary: string;
  readonly evidence: Readonly<Record<string, string | number>>;
}

/** Thresholds that are passed, ceilings that a month will or may not keep, stops that stop nothing, and weeks out of the ordinary. Pure. */
export function spendingFindings(
  budgets: readonly Budget[],
  anomalies: readonly Anomaly[],
  unjudged: readonly UnjudgedBudget[] = [],
): SpendingFinding[] {
  return [
    ...budgets.flatMap(budgetFindings),
    ...unjudged.flatMap(unjudgedFindings),
    ...anomalies.map(anomalyFinding),
  ];
}

/** Who asked for new work to be held relies on it; a ceiling that only tells is named where budgets are read. */
function unjudgedFindings({
  useCaseId,
  useCase,
  ceiling,
  beyond,
  because,
}: UnjudgedBudget): SpendingFinding[] {
  if (beyond !== "hold") return [];
  const money = formatMoney(ceiling);
  const summary = `${useCase}: nothing is held against its ceiling of ${money} a month, and no new work is held: ${because}`;
  return [{ useCaseId, who: useCase, what: "unjudged", summary, evidence: { ceiling: money, because } }];
}

function budgetFindings(budget: Budget): SpendingFinding[] {
  const { useCaseId, useCase, period, ceiling, spent, passed, exceeds, forecast, holds } = budget;
  const of = { useCaseId, who: useCase };
  const money = { period, ceiling: formatMoney(ceiling), spent: formatMoney(spent) };
  const thresholds = alertPercents
    .filter((percent) => passed.includes(percent))
    .map((percent) => ({
      ...of,
      what: `${period}/${percent}`,
      summary: `${useCase}: ${percent} % of ${money.ceiling} are spent in ${period} (${money.spent})${percent === 100 && holds ? "; new training runs and scorings are held" : ""}`,
      evidence: { ...money, percent },
    }));
  if (!forecast || (exceeds !== "will" && exceeds !== "may")) return thresholds;
  const [expected, low] = [forecast.expected, forecast.low].map((nanos) =>
    formatMoney(estimated(nanos, ceiling)),
  );
  return [
    ...thresholds,
    {
      ...of,
      what: `${period}/forecast`,
      summary: `${useCase}: ${period} comes to ${expected} of ${money.ceiling}${exceeds === "will" ? `, ${low} at the least` : ""}, if days go on as the last ${forecast.days}`,
      evidence: { ...money, expected: expected ?? "", low: low ?? "", days: forecast.days },
    },
  ];
}

function anomalyFinding({ businessUnit, team, resource, summary, percent }: Anomaly): SpendingFinding {
  return {
    useCaseId: null,
    who: [businessUnit, team].filter(Boolean).join("/") || "(unknown)",
    what: `week/${resource}`,
    summary,
    evidence: { resource, percent: percent === null ? "new" : percent.toString() },
  };
}
