import type { Evaluation, TextCaseResult, TextEvaluation, TextSet } from "@portolan/evaluation/contract";
import type { ModelVersion } from "@portolan/registry/contract";
import type { Command } from "commander";
import type { ApiClient } from "../client/api-client.ts";
import { waitForJob } from "../client/jobs.ts";
import { versionPath } from "../client/version-path.ts";
import { connect } from "../context.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";
import { type JobProgress, progressBar } from "../progress.ts";
import { badUsage, type EvaluateOptions, judgeOf, probesOf, requireFitting } from "./evaluate-options.ts";
import { evaluationText, gatesText } from "./evaluation-text.ts";
import { faithfulnessText } from "./probes-text.ts";

export function registerEvaluate(model: Command, contextOf: ContextOf): void {
  model
    .command("evaluate <name> <version>")
    .description(
      "Measure a version on held-out rows, a text version by a set of cases, and judge the charter's gates",
    )
    .option(
      "--training-set <id>",
      "held-out rows: a set that the platform built, of the same definition, later than the version's own",
    )
    .option(
      "--evaluation-set <name>",
      "of text: a set of cases, NAME for its newest version, NAME@2, or its id",
    )
    .option(
      "--judge <name/version>",
      "of text: the version that says whether answers are faithful to their source",
    )
    .option("--slice <column...>", "columns of the rows to slice by, besides those of the charter")
    .option("--mutable <feature...>", "attack the decisions by changing these features")
    .option("--radius <number>", "how far, in standard deviations of the training rows (default 0.25)")
    .option("--membership", "tell training rows from held-out rows by the scores")
    .option("--training-data", "look for flipped labels and influential rows in the version's training set")
    .addHelpText(
      "after",
      `
Examples:
  portolan model evaluate flight-delays 1 --training-set ts_01m8…
  portolan model evaluate flight-delays 1 --training-set ts_01m8… --slice dep_hour
  portolan model evaluate flight-delays 1 --training-set ts_01m8… --mutable distance --membership --training-data
  portolan model evaluate helper 1 --evaluation-set questions
  portolan model evaluate helper 1 --evaluation-set sources --judge examiner/2`,
    )
    .action((name: string, version: string, options: EvaluateOptions, command: Command) =>
      evaluate(contextOf, { name, version }, options, command),
    );
}

async function evaluate(
  contextOf: ContextOf,
  { name, version }: { readonly name: string; readonly version: string },
  options: EvaluateOptions,
  command: Command,
): Promise<void> {
  const { trainingSet, evaluationSet, slice } = options;
  if ((trainingSet === undefined) === (evaluationSet === undefined))
    throw badUsage(
      "an evaluation takes held-out rows or a set of cases",
      "Give --training-set ID, or, for a text version, --evaluation-set NAME.",
    );
  requireFitting(options);
  const context = contextOf(command);
  const api = await connect(context);
  using bar = progressBar(context.output, "evaluate");
  const asked = { model: name, version: Number(version) };
  if (trainingSet !== undefined) {
    const body = {
      ...asked,
      trainingSetId: trainingSet,
      ...(slice ? { slices: slice } : {}),
      ...probesOf(options),
    };
    const result = await evaluateRows(api, body, bar);
    context.output.result(result, evaluationText(result));
    return;
  }
  const setId = await findSet(api, name, version, evaluationSet ?? "");
  const judge = options.judge === undefined ? {} : { judge: judgeOf(options.judge) };
  const result = await evaluateText(api, { ...asked, setId, ...judge }, bar);
  context.output.result(result, textText(result));
}

export type RowsResult = Pick<Evaluation, "heldOut" | "metrics" | "gates">;

/** Measures a version on held-out rows. */
export async function evaluateRows(api: ApiClient, body: object, bar?: JobProgress): Promise<RowsResult> {
  const { job } = await api.json<{ job: string }>({ path: "/v1/evaluations", body });
  return waitForJob<RowsResult>(api, job, bar?.update);
}

type TextResult = Pick<TextEvaluation, "heldOut" | "metrics" | "gates" | "results"> & {
  readonly failed: readonly TextCaseResult[];
};

async function evaluateText(api: ApiClient, body: object, bar: JobProgress): Promise<TextResult> {
  const { job } = await api.json<{ job: string }>({ path: "/v1/text-evaluations", body });
  const found = await waitForJob<Omit<TextResult, "failed">>(api, job, bar.update);
  const lines = (await api.text({ path: `/v1/artifacts/${found.results}` })).split("\n");
  const cases = lines.filter((line) => line !== "").map((line) => JSON.parse(line) as TextCaseResult);
  return { ...found, failed: cases.filter(({ passed }) => !passed) };
}

/** The id of a set of the version's use case, named by name and perhaps version, or itself. */
async function findSet(api: ApiClient, model: string, version: string, named: string): Promise<string> {
  if (named.startsWith("evs_")) return named;
  const { useCaseId } = await api.json<ModelVersion>({ path: versionPath(model, version) });
  const { sets } = await api.json<{ sets: readonly TextSet[] }>({ path: "/v1/evaluation-sets" });
  const own = sets.filter((set) => set.useCaseId === useCaseId);
  const [name, wanted] = named.split("@");
  const found = own.find(
    (set) => set.name === name && (wanted === undefined || set.version === Number(wanted)),
  );
  if (found) return found.id;
  const names = [...new Set(own.map((set) => set.name))];
  throw badUsage(
    `the version's use case has no set "${named.slice(0, 80)}" that you can see`,
    names.length === 0
      ? "Register one with: portolan evaluation-set add."
      : `It has: ${names.join(", ")} (portolan evaluation-set list).`,
  );
}

const shownCases = 10;
const shownCharacters = 60;

function textText({ metrics, gates, failed, results }: TextResult): string {
  const { passed, cases, promptTokens, completionTokens, unanswered } = metrics;
  const lines = [
    `${passed} of ${cases} cases passed, ${unanswered} without an answer; ${promptTokens} + ${completionTokens} tokens`,
    ...(metrics.faithfulness ? [faithfulnessText(metrics.faithfulness)] : []),
    "",
    gatesText(gates),
  ];
  if (failed.length === 0) return lines.join("\n");
  const rows = failed
    .slice(0, shownCases)
    .map(({ id, why = "", answer = "" }) => [id, why, JSON.stringify(answer.slice(0, shownCharacters))]);
  const rest = failed.length > shownCases ? ` (the first ${shownCases} of ${failed.length})` : "";
  return [...lines, "", `not passed${rest}:`, table(["case", "why", "answer"], rows), "", results].join("\n");
}
