import type { Explanation, ExplanationBacklog } from "@portolan/evaluation/contract";
import { isUnderRoot } from "@portolan/evaluation/policy";
import { asEpochMicros, formatInstant, isPortolanError } from "@portolan/kernel";
import type { Command } from "commander";
import type { ApiClient } from "../client/api-client.ts";
import { waitForJob } from "../client/jobs.ts";
import { versionPath } from "../client/version-path.ts";
import { connect } from "../context.ts";
import type { ContextOf } from "../program.ts";
import { progressBar } from "../progress.ts";

interface ExplainOptions {
  readonly row?: string;
  readonly top?: string;
  readonly fixed?: string;
  readonly again?: true;
}

type BackgroundMade =
  | { readonly rows: number; readonly background: string }
  | { readonly unexplainable: string };

export function registerExplain(program: Command, contextOf: ContextOf): void {
  program
    .command("explain <predictionId>")
    .description(
      "Why a recorded prediction is what it is: what each column added, and the nearest change that turns it",
    )
    .option("--row <number>", "row of the request, from 0")
    .option("--top <count>", "columns that are listed (default: as many as are kept, or 5)")
    .option("--fixed <columns>", "columns that nobody can change, with commas between")
    .option("--again", "explain anew what is kept, and say whether it is the same bit for bit")
    .addHelpText("after", "\nExample:\n  portolan explain prd_… --top 3 --fixed distance,hour")
    .action(async (predictionId: string, options: ExplainOptions, command: Command) => {
      const context = contextOf(command);
      const query = new URLSearchParams();
      for (const [name, value] of Object.entries(options)) query.set(name, String(value));
      const api = await connect(context);
      const found = await api.json<Explanation>({
        path: `/v1/predictions/${encodeURIComponent(predictionId)}/explanation?${query.toString()}`,
      });
      if (!options.again) return context.output.result(found, explanationText(found));
      const ledger = found.kept && (await ledgerWord(api, found.kept));
      if (found.kept?.again !== "bit_for_bit" || ledger === "names_another") process.exitCode = 1;
      context.output.result(
        { ...found, ...(ledger ? { ledger } : {}) },
        [
          explanationText(found),
          ledger
            ? ledgerTexts[ledger]
            : "nothing is kept of it yet to compare with: what was asked for is kept within a minute, so ask again",
        ].join("\n"),
      );
    });

  program
    .command("explanations")
    .description("What charters have explained without anybody asking, and what waits, by endpoint")
    .addHelpText("after", "\nExample:\n  portolan explanations --json")
    .action(async (_options: object, command: Command) => {
      const context = contextOf(command);
      const api = await connect(context);
      const found = await api.json<ExplanationBacklog>({ path: "/v1/explanations" });
      context.output.result(found, backlogText(found));
    });
}

const ledgerTexts = {
  names_it: "its ledger row names it",
  names_another: "ITS LEDGER ROW NAMES ANOTHER EXPLANATION",
  not_read: "its ledger row is not there, or may not be read with this role",
} as const;

/** Whether the ledger row of an explanation names its digest. */
async function ledgerWord(
  api: Pick<ApiClient, "json">,
  kept: NonNullable<Explanation["kept"]>,
): Promise<keyof typeof ledgerTexts> {
  try {
    const path = `/v1/ledger/entries/${encodeURIComponent(kept.ledgerRow)}`;
    const { detail } = await api.json<{ detail?: { digest?: string } }>({ path });
    return isUnderRoot(kept, detail?.digest ?? "") ? "names_it" : "names_another";
  } catch (error) {
    if (isPortolanError(error)) return "not_read";
    throw error;
  }
}

/** A line per endpoint. */
export function backlogText({ endpoints }: ExplanationBacklog): string {
  if (endpoints.length === 0) return "no charter has had predictions explained that you may see";
  const lines = endpoints.map(
    ({ endpoint, environment, explained, waiting, notExplainable, passedOver, lagSeconds }) =>
      [
        `${endpoint} in ${environment}: ${explained} kept in thirty days, ${waiting} waiting`,
        ...(waiting > 0 ? [`the oldest since ${Math.round(lagSeconds)} s`] : []),
        ...(notExplainable > 0 ? [`${notExplainable} cannot be explained`] : []),
        ...(passedOver > 0 ? [`${passedOver} passed over because too many waited`] : []),
      ].join(", "),
  );
  return lines.join("\n");
}

export function registerExplainable(model: Command, contextOf: ContextOf): void {
  model
    .command("explainable <name> <version>")
    .description(
      "Make what a version's answers are explained against; trained versions get theirs by themselves",
    )
    .option("--background <id>", "training set that holds the model's inputs (default: the version's own)")
    .addHelpText("after", "\nExample:\n  portolan model explainable churn 1 --background ts_01m8…")
    .action(async (name: string, version: string, options: { background?: string }, command: Command) => {
      const context = contextOf(command);
      const api = await connect(context);
      const body = options.background === undefined ? {} : { trainingSetId: options.background };
      const path = `${versionPath(name, version)}/explanation-background`;
      const { job } = await api.json<{ job: string }>({ path, body });
      using bar = progressBar(context.output, "background");
      const result = await waitForJob<BackgroundMade>(api, job, bar.update);
      if ("unexplainable" in result) process.exitCode = 1;
      context.output.result(
        result,
        "unexplainable" in result
          ? `its answers cannot be explained: ${result.unexplainable}`
          : `made of ${result.rows} rows, ${result.background}`,
      );
    });
}

const barWidth = 20;

/** A bar per column, to the right where it raises the score and to the left where it lowers it. */
export function explanationText(found: Explanation): string {
  const { model, row, rows = 1, names, unit, score, expected, contributions, othersContribution } = found;
  const [decided, target] = [names?.decided ?? found.decided, names?.target ?? found.target];
  const isOdds = unit === "log_odds";
  const says = decided === undefined ? ":" : ` says ${decided};`;
  const of = `the ${isOdds ? "log odds" : "score"} of ${target}`;
  const largest = Math.max(...contributions.map(({ contribution }) => Math.abs(contribution)), 1e-300);
  const width = Math.max(...contributions.map(({ column }) => column.length), 6);
  const bars = contributions.map(({ column, value, contribution }) => {
    const length = Math.round((Math.abs(contribution) / largest) * barWidth);
    const left = contribution < 0 ? "━".repeat(length) : "";
    const right = contribution > 0 ? "━".repeat(length) : "";
    const said = value === null ? "absent" : String(Number(value.toPrecision(6)));
    return `  ${column.padEnd(width)} ${said.padStart(12)}  ${signed(contribution).padStart(9)}  ${left.padStart(barWidth)}│${right}`;
  });
  return [
    `${model.name}/${model.version}${rows > 1 ? `, row ${row} of ${rows} (from 0; --row says which)` : ""}${says} ${of} ${isOdds ? "are" : "is"} ${score.toFixed(4)}${isOdds ? ` (${percent(score)} %)` : ""}, on average ${expected.toFixed(4)}; to that the columns added`,
    ...bars,
    ...(othersContribution === 0
      ? []
      : [`  ${"others".padEnd(width)} ${"".padStart(12)}  ${signed(othersContribution).padStart(9)}`]),
    ...turnedTexts(found),
    reproducedText(found),
    ...keptTexts(found),
  ].join("\n");
}

function keptTexts({ kept }: Explanation): string[] {
  if (!kept) return [];
  const said = `kept since ${formatInstant(asEpochMicros(kept.at))}, ledger row ${kept.ledgerRow}`;
  if (kept.again === undefined) return [said];
  const same = kept.again === "bit_for_bit";
  return [
    `${said}; ${same ? "explained again, it is the same bit for bit" : "EXPLAINED AGAIN, IT IS ANOTHER ONE"}`,
  ];
}

function turnedTexts({ counterfactual, counterfactualSearch, decided }: Explanation): string[] {
  if (counterfactualSearch === "none")
    return ["no small change of the columns was found that turns the decision"];
  if (counterfactualSearch === "cut_off")
    return ["the model has too many trees to look for a change that turns the decision"];
  if (!counterfactual) return [];
  const changes = counterfactual.changes.map(
    ({ column, from, to }) =>
      `${column} were ${shortest(to)} in place of ${from === null ? "nothing" : shortest(from)}`,
  );
  return [`${decided === undefined ? "it" : "the model"} would say otherwise if ${changes.join(" and ")}`];
}

const reproducedTexts = {
  exactly: "run again, the model gives the recorded answer bit for bit",
  to_rounding: "run again, the model gives the recorded answer within a part in 100,000",
  no: "RUN AGAIN, THE MODEL GIVES ANOTHER ANSWER THAN THE RECORDED ONE",
} as const;

function reproducedText({ reproduced, background }: Explanation): string {
  return `${reproducedTexts[reproduced]}; explained against ${background.rows} rows of ${background.trainingSetId}`;
}

/** The shortest decimal that is this number in single precision, which models compute in; one of double precision as it is. */
export function shortest(value: number): string {
  if (Math.fround(value) !== value) return String(value);
  for (let digits = 1; digits < 9; digits++) {
    const text = Number(value.toPrecision(digits));
    if (Math.fround(text) === value) return String(text);
  }
  return String(value);
}

function percent(logOdds: number): string {
  return (100 / (1 + Math.exp(-logOdds))).toFixed(1);
}

function signed(value: number): string {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(4)}`;
}
