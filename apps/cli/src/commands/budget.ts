import type { AnomalyReport, BudgetReport, BudgetView } from "@portolan/metering/contract";
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
      const { budgets: all } = await api.json<BudgetReport>({ path: "/v1/budgets" });
      const budgets = all.filter(
        (one) => useCase === undefined || [one.useCase, one.useCaseId].includes(useCase),
      );
      const { anomalies } = await api.json<AnomalyReport>({ path: "/v1/usage/anomalies" });
      if (budgets.some(({ exceeds }) => exceeds === "did" || exceeds === "will")) process.exitCode = 1;
      context.output.result({ budgets, anomalies }, budgetText(budgets, anomalies));
    });
}

const words = { did: "SPENT", will: "WILL BE PASSED", may: "may be passed", unlikely: "" } as const;

function budgetText(budgets: readonly BudgetView[], anomalies: AnomalyReport["anomalies"]): string {
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
    budgets.length === 0
      ? "No charter in force with a budget that you may see."
      : table(["use case", "month", "spent", "ceiling", "comes to (80 %)", ""], rows);
  return [shown, ...anomalies.map(({ summary }) => `! ${summary}`)].join("\n");
}
