import { join, relative, resolve } from "node:path";
import { parseCharter, requireValid } from "@portolan/charter/policy";
import { systemClock } from "@portolan/kernel";
import type { ChangedAssumptions, PlanDocument, PriceBook } from "@portolan/planner/contract";
import {
  assumptionHelp,
  explainSources,
  mergePriceBooks,
  parseAssumptions,
  parsePriceFile,
  planCharter,
  planJson,
  planPortfolio,
  renderPlan,
  sourceFigures,
} from "@portolan/planner/policy";
import { readShippedPrices } from "@portolan/planner/prices";
import type { Command } from "commander";
import { type CliContext, connect } from "../context.ts";
import { planMarkdown } from "../plan/plan-markdown.ts";
import { planPage, portfolioPage } from "../plan/plan-page.ts";
import { portfolioText } from "../plan/portfolio-text.ts";
import type { ContextOf } from "../program.ts";
import { filesBelow, readText, type TextFile } from "../project-files.ts";
import { badUsage } from "../read-input.ts";
import { writeNew } from "../write-new.ts";

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
  program
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
    .option("--markdown <file>", "write it as Markdown, e.g. for a pull request; of one folder")
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
          )}\n\nExamples:\n  portolan plan churn --html churn.html\n  portolan plan churn --assume average-requests-per-second=20..40..90 --assume model-bytes=2e9\n  portolan plan usecases/* --html portfolio.html --json\n  portolan plan --explain-sources`,
    )
    .action(async (folders: string[], options: PlanOptions, command: Command) => {
      const context = contextOf(command);
      if (options.explainSources) {
        context.output.result(sourceFigures, explainSources(options.all === true));
        return;
      }
      if (options.keep && folders.length > 1)
        throw badUsage("--keep keeps one plan", "Keep each folder's plan by a call of its own.");
      if (options.markdown !== undefined && folders.length > 1)
        throw badUsage("--markdown writes one plan", "Name one folder, or write the portfolio with --html.");
      const prices =
        options.prices === undefined ? undefined : await readText(resolve(context.cwd, options.prices));
      if (options.keep) return keepPlan(context, folders[0] ?? ".", options, prices);
      const book = bookOf(prices);
      const changed = parseAssumptions(options.assume);
      const plans: PlanDocument[] = [];
      for (const folder of folders.length === 0 ? ["."] : folders)
        plans.push(await planFolder(context, folder, book, changed));
      const [plan] = plans;
      if (plans.length === 1 && plan) {
        await writePlan(context, options, plan);
        context.output.result(plan, renderPlan(plan));
        return;
      }
      const portfolio = planPortfolio(plans);
      await writePage(context, options, () => portfolioPage(portfolio));
      context.output.result(portfolio, portfolioText(portfolio));
    });
}

async function planFolder(
  context: CliContext,
  folder: string,
  book: PriceBook,
  changed: ChangedAssumptions,
): Promise<PlanDocument> {
  const { file, presentFiles } = await charterOf(context, folder);
  const { document, lines } = requireValid(parseCharter(file.text, file.path));
  const facts = { presentFiles };
  return planJson(planCharter(document, book, { now: systemClock.now(), facts, lines, changed }));
}

async function charterOf(
  context: CliContext,
  folder: string,
): Promise<{ readonly file: TextFile; readonly presentFiles: string[] }> {
  const root = resolve(context.cwd, folder);
  const file = await readText(join(root, "charter.yaml"));
  return { file, presentFiles: (await filesBelow(root)).map((path) => relative(root, path)) };
}

function bookOf(prices: TextFile | undefined): PriceBook {
  const shipped = readShippedPrices();
  return prices === undefined
    ? shipped
    : mergePriceBooks([shipped, parsePriceFile(prices.text, prices.path)]);
}

async function keepPlan(
  context: CliContext,
  folder: string,
  options: PlanOptions,
  prices: TextFile | undefined,
): Promise<void> {
  const { file, presentFiles } = await charterOf(context, folder);
  const body = {
    source: file.text,
    file: file.path,
    presentFiles,
    ...(options.assume.length > 0 ? { assume: options.assume } : {}),
    ...(prices === undefined ? {} : { prices: prices.text }),
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
  const { markdown, force } = options;
  if (markdown !== undefined)
    await writeNew(resolve(context.cwd, markdown), planMarkdown(plan), force === true);
}

async function writePage(
  context: CliContext,
  { html, force }: PlanOptions,
  page: () => string,
): Promise<void> {
  if (html !== undefined) await writeNew(resolve(context.cwd, html), page(), force === true);
}
