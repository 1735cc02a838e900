import type { AnomalyReport, BudgetReport, UnjudgedBudgetView } from "@portolan/metering/contract";
import type { Command } from "commander";
import { connect } from "../context.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";

export function registerBudgetCommands(program: Command, contextOf: ContextOf): void {
  const budget = program
    .command("budget")
    .description("What use cases spend of what their charters allow")
    .addHelpText("after", "\nExample:\n  portolan budget show");
  budget
    .command("show [use-case]")
    .description(
      "Spent and forecast of this month against each ceiling, and teams whose week is out of the ordinary (exit code 1 where a ceiling is or will be passed)",
    )
    .addHelpText("after", "\nExamples:\n  portolan budget show\n  portolan budget show fraud --json")
    .action(async (useCase: string | undefined, _options: object, command: Command) => {
      const context = contextOf(command);
      const api = await connect(context);
      // A control of before says nothing of ceilings that it could not judge.
      const all = await api.json<Pick<BudgetReport, "budgets"> & Partial<BudgetReport>>({
        path: "/v1/budgets",
      });
      const isAsked = (one: { readonly useCase: string; readonly useCaseId: string }): boolean =>
        useCase === undefined || [one.useCase, one.useCaseId].includes(useCase);
      const [budgets, unjudged] = [all.budgets.filter(isAsked), (all.unjudged ?? []).filter(isAsked)];
      const { anomalies } = await api.json<AnomalyReport>({ path: "/v1/usage/anomalies" });
      if (budgets.some(({ exceeds }) => exceeds === "did" || exceeds === "will")) process.exitCode = 1;
      context.output.result({ budgets, unjudged, anomalies }, budgetText({ budgets, unjudged }, anomalies));
    });
}

const words = { did: "SPENT", will: "WILL BE PASSED", may: "may be passed", unlikely: "" } as const;

function budgetText({ budgets, unjudged }: BudgetReport, anomalies: AnomalyReport["anomalies"]): string {
  const rows = budgets.map(({ useCase, period, spent, ceiling, forecast, exceeds, holds, unpriced }) => [
    useCase,
    period,
    spent,
    ceiling,
    forecast ? `${forecast.expected} (${forecast.low} to ${forecast.high})` : "too few days",
    [
      words[exceeds],
      ...(holds ? ["new work is held"] : []),
      ...(unpriced.length > 0 ? [`no price: ${unpriced.join(", ")}`] : []),
    ]
      .filter(Boolean)
      .join("; "),
  ]);
  const shown =
    budgets.length > 0
      ? [table(["use case", "month", "spent", "ceiling", "comes to (80 %)", ""], rows)]
      : unjudged.length > 0
        ? []
        : ["No charter in force with a budget that you may see."];
  return [...shown, ...unjudged.map(unjudgedText), ...anomalies.map(({ summary }) => `! ${summary}`)].join(
    "\n",
  );
}

function unjudgedText({ useCase, ceiling, because, beyond }: UnjudgedBudgetView): string {
  const held = beyond === "hold" ? ", and no new work is held" : "";
  return `! ${useCase}: nothing is held against its ceiling of ${ceiling} a month${held}: ${because}. Have the operator state one under exchange in PRICES_FILE.`;
}
