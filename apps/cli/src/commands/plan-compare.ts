import { resolve } from "node:path";
import { charterDiff } from "@portolan/charter/policy";
import { comparePlans, renderComparison } from "@portolan/planner/policy";
import type { Command } from "commander";
import type { CliContext } from "../context.ts";
import { type ChosenPlan, chosenPlan, type PlanInputs } from "../plan/chosen-plan.ts";
import type { ContextOf } from "../program.ts";

/** Two plans beside each other; needs no server. */
export function addPlanCompareCommand(
  plan: Command,
  contextOf: ContextOf,
  inputsOf: (context: CliContext, options: Pick<PlanOptionsRead, "prices" | "assume">) => Promise<PlanInputs>,
): void {
  plan
    .command("compare <before> <after>")
    .description(
      "What changed from one plan to another, line by line, and why: two plans as JSON (portolan plan --json), or two folders with a charter",
    )
    .addHelpText(
      "after",
      "\n--prices and --assume of portolan plan hold for both where charters are planned; a plan in a file stays as it is.\n\nExamples:\n  portolan plan compare before.json after.json\n  portolan plan churn --json > now.json && portolan plan compare now.json churn --json\n  portolan plan compare churn churn-v2",
    )
    .action(async (before: string, after: string, _: unknown, command: Command) => {
      const context = contextOf(command);
      const inputs = await inputsOf(context, command.optsWithGlobals<PlanOptionsRead>());
      const [from, to] = [
        await chosenPlan(resolve(context.cwd, before), inputs),
        await chosenPlan(resolve(context.cwd, after), inputs),
      ];
      const comparison = comparePlans(from.plan, to.plan);
      const charter = charterChanges(from, to);
      context.output.result(
        { ...comparison, charter },
        [
          renderComparison(comparison),
          ...(charter.length > 0 ? ["Lines of the charter", ...charter.map((line) => `  - ${line}`)] : []),
        ].join("\n"),
      );
    });
}

interface PlanOptionsRead {
  readonly prices?: string;
  readonly assume: readonly string[];
}

/** What stands otherwise in two charters; of plans in files the charter is not known. */
function charterChanges({ document: before }: ChosenPlan, { document: after }: ChosenPlan): string[] {
  if (!before || !after) return [];
  return charterDiff(before, after).map(({ pointer, before: was, after: is }) => {
    const text = (value: unknown) => (value === undefined ? "nothing" : JSON.stringify(value).slice(0, 120));
    return `${pointer}: ${text(was)} becomes ${text(is)}`;
  });
}
