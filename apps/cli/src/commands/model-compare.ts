import { comparedMetrics, isCompared, isOfUnit } from "@portolan/charter/contract";
import type { Comparison } from "@portolan/evaluation/contract";
import { PortolanError } from "@portolan/kernel";
import type { Command } from "commander";
import { waitForJob } from "../client/jobs.ts";
import { connect } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";
import { progressBar } from "../progress.ts";

interface CompareOptions {
  readonly trainingSet: string;
  readonly championTrainingSet?: string;
  readonly with?: string;
  readonly metric?: readonly string[];
}

export function registerCompare(model: Command, contextOf: ContextOf): void {
  model
    .command("compare <name> <challenger>")
    .description(
      "Compare a version with the one that it is to replace, on the same held-out rows (exit code 1 when it does not show what is asked, or the rows are not shown to be held out)",
    )
    .requiredOption("--training-set <id>", "held-out rows, later than the training set of either version")
    .option("--with <version>", "the version to compare with; without it the one promoted in production")
    .option(
      "--champion-training-set <id>",
      "the same rows with that version's features, where it takes others",
    )
    .option(
      "--metric <name...>",
      "metrics to compare, NAME to be better in or NAME:MARGIN to be no worse in by more than the margin; without it the charter's",
    )
    .addHelpText(
      "after",
      `
Examples:
  portolan model compare flight-delays 2 --training-set ts_01m8…
  portolan model compare flight-delays 2 --with 1 --training-set ts_01m8… --metric roc_auc brier_score:0.005`,
    )
    .action(async (name: string, challenger: string, options: CompareOptions, command: Command) => {
      const context = contextOf(command);
      const api = await connect(context);
      using bar = progressBar(context.output, "compare");
      const { trainingSet, championTrainingSet, with: champion, metric } = options;
      const body = {
        model: name,
        challenger: versionNumber(challenger),
        trainingSetId: trainingSet,
        ...(champion === undefined ? {} : { champion: versionNumber(champion) }),
        ...(championTrainingSet === undefined ? {} : { championTrainingSetId: championTrainingSet }),
        ...(metric === undefined ? {} : ruleOf(metric)),
      };
      const { job } = await api.json<{ job: string }>({ path: "/v1/comparisons", body });
      const found = await waitForJob<Comparison>(api, job, bar.update);
      // Rows that a version may have learned from show nothing.
      if (!found.isBetter || !found.heldOut.shown) process.exitCode = 1;
      context.output.result(found, comparisonText(found));
    });
}

/** `roc_auc` asks for better, `brier_score:0.005` for no worse by more than that. @throws PortolanError `cli.bad_usage` */
export function ruleOf(stated: readonly string[]): {
  readonly metrics: readonly string[];
  readonly margins: Readonly<Record<string, number>>;
} {
  const asked = stated.map((text) => {
    const [name = "", ...margins] = text.split(":");
    const margin = margins.length === 0 ? undefined : margins.join(":");
    if (!isCompared(name))
      throw badUsage(
        `versions are not compared by "${name.slice(0, 80)}"`,
        `Name ${comparedMetrics.join(", ")}.`,
      );
    const value = margin === undefined ? undefined : Number(margin);
    // An error of quantities has the unit of what is predicted.
    const most = isOfUnit(name) ? 1 : Number.MAX_VALUE;
    if (value !== undefined && !(value > 0 && value < most))
      throw badUsage(
        `${text.slice(0, 80)} states no margin ${isOfUnit(name) ? "between 0 and 1" : "above 0"}`,
        `Write ${name}, or ${name}:MARGIN, e.g. ${name}:0.005.`,
      );
    return { name, value };
  });
  return {
    metrics: asked.map(({ name }) => name),
    margins: Object.fromEntries(
      asked.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])),
    ),
  };
}

function versionNumber(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw badUsage(`${text.slice(0, 80)} is no version`, "Name its number, e.g. 2.");
}

function badUsage(detail: string, mend: string): PortolanError<CliErrorCode> {
  return new PortolanError("cli.bad_usage", { detail, mend });
}

/** What a comparison found, for people. */
export function comparisonText(found: Comparison): string {
  const { challenger, champion, model, setsTried, values, heldOut, rule, isBetter } = found;
  const cells = values.map((one) => {
    const { low, high } = one.advantage.interval;
    const asked = one.margin === undefined ? "better" : `no worse by ${one.margin}`;
    return [
      one.metric,
      one.champion.toFixed(4),
      one.challenger.toFixed(4),
      `${signed(one.advantage.value)} [${signed(low)}, ${signed(high)}]`,
      asked,
      `${one.adjustedP.toFixed(4)} (${one.test})`,
      one.isShown ? "shown" : "NOT SHOWN",
    ];
  });
  const verdict = isBetter
    ? `version ${challenger} shows what is asked of it beside version ${champion}`
    : `version ${challenger} does not show what is asked of it beside version ${champion}`;
  return [
    `${model}: ${verdict}`,
    `${sizeText(found)}; one-sided level ${rule.level} over all metrics (Holm)${setsTried > 1 ? `, times ${setsTried} sets of rows that these two were compared on` : ""}`,
    ...fewRows(found),
    ...(heldOut.shown ? [] : [`not shown to be held out: ${heldOut.because}`]),
    "",
    table(
      [
        "metric",
        `version ${champion}`,
        `version ${challenger}`,
        "advantage [95 %]",
        "asked",
        "p (test)",
        "verdict",
      ],
      cells,
    ),
  ].join("\n");
}

function signed(value: number): string {
  return `${value < 0 ? "" : "+"}${value.toFixed(4)}`;
}

function sizeText({ rows, positives, queries, rarestClass }: Comparison): string {
  if (positives !== undefined) return `${rows} rows, ${positives} positive`;
  if (queries !== undefined) return `${rows} rows, ${queries} queries`;
  return rarestClass === undefined ? `${rows} rows` : `${rows} rows, ${rarestClass} of the rarest class`;
}

function fewRows({ rows, positives, queries, rarestClass }: Comparison): string[] {
  if (queries !== undefined) return queries < 30 ? ["fewer than 30 queries: nothing is shown"] : [];
  if (positives === undefined && rows < 30) return ["fewer than 30 rows: nothing is shown"];
  const ofClass = positives === undefined ? rarestClass : Math.min(positives, rows - positives);
  return ofClass !== undefined && ofClass < 30 ? ["fewer than 30 rows of a class: nothing is shown"] : [];
}
