import { resolve } from "node:path";
import type { PlanDocument, PriceBook } from "@portolan/planner/contract";
import {
  assumptionHelp,
  explainSources,
  mergePriceBooks,
  parseAssumptions,
  parsePriceFile,
  planPortfolio,
  renderPlan,
  sourceFigures,
} from "@portolan/planner/policy";
import { readShippedPrices } from "@portolan/planner/prices";
import type { Command } from "commander";
import { type CliContext, connect } from "../context.ts";
import { charterOf, type PlanInputs, planFolder } from "../plan/chosen-plan.ts";
import { planMarkdown } from "../plan/plan-markdown.ts";
import { planPage, portfolioPage } from "../plan/plan-page.ts";
import { portfolioMarkdown } from "../plan/portfolio-markdown.ts";
import { portfolioText } from "../plan/portfolio-text.ts";
import type { ContextOf } from "../program.ts";
import { readText, type TextFile } from "../project-files.ts";
import { badUsage } from "../read-input.ts";
import { writeNew } from "../write-new.ts";
import { addPlanCompareCommand } from "./plan-compare.ts";

interface PlanOptions {
  readonly prices?: string;
  readonly assume: readonly string[];
  readonly keep?: boolean;
  readonly html?: string;
  readonly markdown?: string;
  readonly force?: boolean;
  readonly explainSources?: boolean;
  readonly all?: boolean;
}

/** Charters planned, one or several together. */
export function registerPlanCommand(program: Command, contextOf: ContextOf): void {
  const plan = program
    .command("plan [folders...]")
    .description(
      "What the charter will cost in production, where it may run, and what is missing; several folders are planned as a portfolio",
    )
    .option("--prices <file>", "your own prices: they win over the shipped ones")
    .option(
      "--assume <name=value>",
      "a figure of your own in the place of what the plan takes, also name=LOW..EXPECTED..HIGH; may be given several times; names below",
      (text: string, others: readonly string[]) => [...others, text],
      [],
    )
    .option("--keep", "keep the plan on the server, to compare with what really happens")
    .option("--html <file>", "write it as a page to read, with pictures and without anything from elsewhere")
    .option("--markdown <file>", "write it as Markdown, e.g. for a pull request")
    .option("--force", "overwrite the file that is there")
    .option(
      "--explain-sources",
      "no plan: the figures of the articles that this product answers, reckoned again; those that do not come out",
    )
    .option("--all", "with --explain-sources: those too that come out as stated")
    .addHelpText(
      "after",
      () =>
        `\nAssumptions that --assume changes (unit, bounds):\n${assumptionHelp()
          .map((line) => `  ${line}`)
          .join(
            "\n",
          )}\n\nExamples:\n  portolan plan churn --html churn.html\n  portolan plan churn --assume average-requests-per-second=20..40..90 --assume model-bytes=2e9\n  portolan plan usecases/* --html portfolio.html --json\n  portolan plan compare before.json churn\n  portolan plan --explain-sources`,
    )
    .action(async (folders: string[], options: PlanOptions, command: Command) => {
      const context = contextOf(command);
      if (options.explainSources) {
        context.output.result(sourceFigures, explainSources(options.all === true));
        return;
      }
      if (options.keep && folders.length > 1)
        throw badUsage("--keep keeps one plan", "Keep each folder's plan by a call of its own.");
      if (options.keep) return keepPlan(context, folders[0] ?? ".", options);
      const inputs = await inputsOf(context, options);
      const plans: PlanDocument[] = [];
      for (const folder of folders.length === 0 ? ["."] : folders)
        plans.push((await planFolder(resolve(context.cwd, folder), inputs)).plan);
      const [first] = plans;
      if (plans.length === 1 && first) {
        await writePlan(context, options, first);
        context.output.result(first, renderPlan(first));
        return;
      }
      const portfolio = planPortfolio(plans);
      await writePage(context, options, () => portfolioPage(portfolio));
      await writeMarkdown(context, options, () => portfolioMarkdown(portfolio));
      context.output.result(portfolio, portfolioText(portfolio));
    });
  addPlanCompareCommand(plan, contextOf, inputsOf);
}

/** What charters are planned with: prices, and figures of one's own. */
async function inputsOf(
  context: CliContext,
  { prices, assume }: Pick<PlanOptions, "prices" | "assume">,
): Promise<PlanInputs & { readonly own: TextFile | undefined }> {
  const own = prices === undefined ? undefined : await readText(resolve(context.cwd, prices));
  return { own, book: bookOf(own), changed: parseAssumptions(assume) };
}

function bookOf(prices: TextFile | undefined): PriceBook {
  const shipped = readShippedPrices();
  return prices === undefined
    ? shipped
    : mergePriceBooks([shipped, parsePriceFile(prices.text, prices.path)]);
}

async function keepPlan(context: CliContext, folder: string, options: PlanOptions): Promise<void> {
  const { own } = await inputsOf(context, options);
  const { file, presentFiles } = await charterOf(resolve(context.cwd, folder));
  const body = {
    source: file.text,
    file: file.path,
    presentFiles,
    ...(options.assume.length > 0 ? { assume: options.assume } : {}),
    ...(own ? { prices: own.text } : {}),
  };
  const kept = await (await connect(context)).json<{ id: string; plan: PlanDocument }>({
    path: "/v1/plans",
    body,
  });
  await writePlan(context, options, kept.plan);
  context.output.result(kept, `${renderPlan(kept.plan)}\nkept as ${kept.id}`);
}

async function writePlan(context: CliContext, options: PlanOptions, plan: PlanDocument): Promise<void> {
  await writePage(context, options, () => planPage(plan));
  await writeMarkdown(context, options, () => planMarkdown(plan));
}

async function writeMarkdown(
  context: CliContext,
  { markdown, force }: PlanOptions,
  text: () => string,
): Promise<void> {
  if (markdown !== undefined) await writeNew(resolve(context.cwd, markdown), text(), force === true);
}

async function writePage(
  context: CliContext,
  { html, force }: PlanOptions,
  page: () => string,
): Promise<void> {
  if (html !== undefined) await writeNew(resolve(context.cwd, html), page(), force === true);
}
