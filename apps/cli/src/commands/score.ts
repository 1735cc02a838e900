import { PortolanError } from "@portolan/kernel";
import type { Scoring, ScoringPlan } from "@portolan/scoring/contract";
import type { Command } from "commander";
import type { ApiClient } from "../client/api-client.ts";
import { waitForJob } from "../client/jobs.ts";
import { connect } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";
import { progressBar } from "../progress.ts";
import { timesOf } from "./work-request.ts";

export interface ScoreOptions {
  readonly dataset?: string;
  readonly out?: string;
  readonly environment: string;
  readonly purpose?: string;
  readonly columns?: string;
  readonly keys?: string;
  readonly window?: readonly string[];
  readonly notBefore?: string;
  readonly priority?: string;
  readonly upstreamCost?: string;
  readonly dryRun?: boolean;
  readonly detach?: boolean;
  readonly resume?: string;
}

export function registerScoreCommand(program: Command, contextOf: ContextOf): void {
  program
    .command("score [target]")
    .description(
      "Score a snapshot with an endpoint's version (ENDPOINT), or with a version by itself (MODEL@VERSION)",
    )
    .option("--dataset <name@snapshot>", "NAME@ds_…, NAME@ts_… or NAME@latest")
    .option("--out <name>", "name of the scored snapshot")
    .option("--environment <name>", "dev, staging or production", "production")
    .option("--purpose <name>", "a purpose that the charter names")
    .option("--columns <names>", "columns that fill the model's inputs, in their order, by commas")
    .option("--keys <names>", "columns that are put beside the scores, by commas")
    .option("--window <from-to...>", "works only then (UTC), e.g. 22:00-06:00")
    .option("--not-before <instant>", "does not begin before, e.g. 2026-12-01T22:00:00Z")
    .option("--priority <n>", "among waiting jobs, -10 to 10")
    .option(
      "--upstream-cost <money>",
      "what the server that runs the version costs for 1,000 rows, e.g. 0.02EUR",
    )
    .option("--dry-run", "show what would be done")
    .option("--detach", "do not wait for the end")
    .option("--resume <id>", "wait for a scoring that was started before; the job itself resumes on its own")
    .addHelpText(
      "after",
      `
Examples:
  portolan score churn --dataset customers@latest --out churn-scores --purpose retention-campaign --keys customer_id
  portolan score churn@3 --dataset flights@ts_01m8… --out flights-scored --window 22:00-06:00 --detach
  portolan score --resume sco_01m8…`,
    )
    .action(async (target: string | undefined, options: ScoreOptions, command: Command) => {
      const context = contextOf(command);
      const api = await connect(context);
      const terms = jobTermsOf(options);
      if (options.dryRun) {
        const plan = await api.json<ScoringPlan>({
          path: `/v1/scoring-plan?${await planQuery(api, target, options)}`,
        });
        context.output.result(plan, planText(plan));
        return;
      }
      const scoring =
        options.resume === undefined
          ? await start(api, target, options, terms)
          : await api.json<Scoring>({ path: `/v1/scorings/${encodeURIComponent(options.resume)}` });
      if (options.detach) {
        context.output.result(
          scoring,
          `${scoring.id} is ${scoring.state}; portolan score --resume ${scoring.id}`,
        );
        return;
      }
      using bar = progressBar(context.output, "score");
      await waitForJob(api, scoring.job, bar.update);
      const done = await api.json<Scoring>({ path: `/v1/scorings/${scoring.id}` });
      context.output.result(done, doneText(done));
    });
}

async function start(
  api: ApiClient,
  target: string | undefined,
  options: ScoreOptions,
  terms: ReturnType<typeof jobTermsOf>,
): Promise<Scoring> {
  if (options.out === undefined)
    throw badUsage("the scored snapshot has no name", "Give it one with --out NAME.");
  const body = {
    ...(await askedOf(api, target, options)),
    out: options.out,
    ...terms,
  };
  return api.json<Scoring>({ path: "/v1/scorings", body });
}

/** When and how the job works; a dry run refuses what a run would. @throws PortolanError `cli.bad_usage` */
export function jobTermsOf({
  window,
  notBefore,
  priority,
  upstreamCost,
}: Pick<ScoreOptions, "window" | "notBefore" | "priority" | "upstreamCost">) {
  return {
    ...timesOf({ ...(window ? { window } : {}), ...(notBefore === undefined ? {} : { notBefore }) }),
    ...(priority === undefined ? {} : { priority: priorityOf(priority) }),
    ...(upstreamCost === undefined ? {} : { upstreamCost: moneyOf(upstreamCost) }),
  };
}

function priorityOf(text: string): number {
  if (/^-?\d+$/.test(text) && Math.abs(Number(text)) <= 10) return Number(text);
  throw badUsage(`"${text}" is no priority`, "Give a whole number from -10 to 10.");
}

async function planQuery(api: ApiClient, target: string | undefined, options: ScoreOptions): Promise<string> {
  const asked = await askedOf(api, target, options);
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(asked)) query.set(name, String(value));
  return query.toString();
}

/** What is scored with what, as the API has it. */
export async function askedOf(api: ApiClient, target: string | undefined, options: ScoreOptions) {
  const { environment, purpose, columns, keys } = options;
  return {
    environment,
    ...targetOf(target),
    datasetId: await snapshotOf(api, options.dataset, environment),
    ...(purpose === undefined ? {} : { purpose }),
    ...(columns === undefined ? {} : { columns: columns.split(",") }),
    ...(keys === undefined ? {} : { keys: keys.split(",") }),
  };
}

function targetOf(target: string | undefined) {
  if (target === undefined)
    throw badUsage("nothing to score with is named", "Name an endpoint, or MODEL@VERSION.");
  const [model = "", version] = target.split("@");
  return version === undefined ? { endpoint: target } : { model, version: Number(version) };
}

async function snapshotOf(api: ApiClient, named: string | undefined, environment: string): Promise<string> {
  const [name, snapshot] = named?.split("@") ?? [];
  if (!name || !snapshot) throw badUsage("no snapshot is named", "Name one with --dataset NAME@SNAPSHOT.");
  if (snapshot.startsWith("ts_")) return snapshot;
  const { datasets } = await api.json<{ datasets: readonly { id: string; environment: string }[] }>({
    path: `/v1/datasets?contract=${encodeURIComponent(name)}`,
  });
  const found = datasets.find((one) =>
    snapshot === "latest" ? one.environment === environment : one.id === snapshot,
  );
  if (found) return found.id;
  throw badUsage(`${name} has no snapshot ${snapshot} in ${environment}`, "See GET /v1/datasets.");
}

/** `0.02EUR` as the API has it. */
export function moneyOf(text: string): string {
  const [, amount, currency] = /^(\d+(?:\.\d+)?) ?([A-Z]{3})$/.exec(text) ?? [];
  if (amount === undefined || currency === undefined)
    throw badUsage(`${text} is no sum of money`, "Write an amount and a currency, e.g. 0.02EUR.");
  return `${amount} ${currency}`;
}

function planText({ model, dataset, rows, chunks, inputs, keys, upstream }: ScoringPlan): string {
  const filled = inputs.map(({ tensor, columns }) => [tensor, columns.join(", ")]);
  return [
    `${rows} rows of ${dataset.name} (${dataset.id}) with ${model.name} version ${model.version}, in ${chunks} chunks`,
    ...(upstream ? [`another server scores them: ${upstream.region}, owned by ${upstream.owner}`] : []),
    table(["input", "columns"], filled),
    `beside the scores: ${["_row", ...keys].join(", ")}`,
  ].join("\n");
}

function doneText({ id, manifest }: Scoring): string {
  if (!manifest) return `${id} has no snapshot`;
  const { name, object, rows, refusedRows, cost, cpuSeconds, rowsPerRun, upstream, bytes } = manifest;
  const costs = cost
    ? `; ${cost.perThousandRows} per 1,000 rows, beside ${cost.perThousandRealTime} for 1,000 predictions one by one as planned`
    : "";
  return [
    `${name}: ${rows} rows, ${refusedRows} of them refused, ${object}`,
    `${cpuSeconds.toFixed(1)} s of CPU, ${rowsPerRun} rows a run${costs}`,
    ...(bytes ? [`${bytes.in} bytes of values read, ${bytes.out} written`] : []),
    ...(upstream
      ? [
          `${upstream.requests} requests to the server that runs the version in the attempts that were kept, ${upstream.busySeconds.toFixed(1)} s; it costs ${upstream.perThousandRows ?? "what nobody stated"} per 1,000 rows`,
        ]
      : []),
  ].join("\n");
}

function badUsage(detail: string, mend: string): PortolanError<CliErrorCode> {
  return new PortolanError("cli.bad_usage", { detail, mend });
}
