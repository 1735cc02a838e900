import { resolve } from "node:path";
import type { QueueAnswer, QueueItem, QueueList, QueueView } from "@portolan/capacity/contract";
import { asEpochMicros, formatInstant } from "@portolan/kernel";
import type { Scoring } from "@portolan/scoring/contract";
import type { TrainingRunView } from "@portolan/training/contract";
import type { Command } from "commander";
import type { ApiClient } from "../client/api-client.ts";
import { buildTrainingSet, startTraining } from "../client/training.ts";
import { findUseCase } from "../client/use-cases.ts";
import { type CliContext, connect } from "../context.ts";
import { duration } from "../duration-text.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";
import { badUsage } from "../read-input.ts";
import { readTrainingFolder } from "../training-folder.ts";
import { registerApprovals } from "./job-approval.ts";
import { registerIdleWork } from "./job-idle.ts";
import { askedOf, type ScoreOptions } from "./score.ts";
import {
  type RequestOptions,
  type TimeOptions,
  timeLimitLine,
  withRequestOptions,
  workTermsOf,
} from "./work-request.ts";

/** Training runs and scorings as jobs that ask for a part of the cluster. */
export function registerJobCommands(program: Command, contextOf: ContextOf): void {
  const job = program
    .command("job")
    .description("Training runs and scorings that ask for a part of their team's quota")
    .addHelpText(
      "after",
      "\nExample:\n  portolan job submit train training --use-case churn --gpu a100:1 --dry-run\n  portolan job list",
    );
  registerSubmit(job, contextOf);
  registerApprovals(job, contextOf);
  registerIdleWork(job, contextOf);
  job
    .command("list")
    .description("What waits for its quota or for approval, and what has its part of the quota")
    .addHelpText("after", "\nExample:\n  portolan job list --json")
    .action(async (_options: object, command: Command) => {
      const context = contextOf(command);
      const found = await (await connect(context)).json<QueueList>({ path: "/v1/queue" });
      context.output.result(found, listText(found));
    });
  job
    .command("show <id>")
    .description("Where a training run (run_…) or scoring (sco_…) stands, and why it waits")
    .addHelpText("after", "\nExample:\n  portolan job show run_01m8…")
    .action(async (id: string, _options: object, command: Command) => {
      const context = contextOf(command);
      const found = await read(await connect(context), id);
      const { queue, state } = found;
      // What was stopped waits for a person, not for its turn.
      const says = queue?.state === "stopped" ? ` ${queue.says}` : ` is ${state}${standText(found)}`;
      context.output.result(found, `${id}${says}${timesText(found)}${endText(found)}`);
    });
  job
    .command("cancel <id>")
    .description("Cancel a training run or scoring, whether it waits or works")
    .addHelpText("after", "\nExample:\n  portolan job cancel run_01m8…")
    .action(async (id: string, _options: object, command: Command) => {
      const context = contextOf(command);
      const api = await connect(context);
      const path = `/v1/jobs/${encodeURIComponent(await jobOf(api, id))}/cancellation`;
      context.output.result(await api.json({ path, body: {} }), `${id} was asked to stop`);
    });
}

type SubmitOptions = RequestOptions &
  TimeOptions & {
    readonly useCase: string;
    readonly environment: string;
    readonly dryRun?: boolean;
  };

function registerSubmit(job: Command, contextOf: ContextOf): void {
  const submit = job
    .command("submit")
    .description("Start a training run or a scoring with what it asks for, and do not wait for its end")
    .addHelpText(
      "after",
      "\nExample:\n  portolan job submit train training --use-case churn --cpu 4 --memory 16GiB\n  portolan job submit score churn@3 --dataset customers@latest --out scores --use-case churn",
    );
  withRequestOptions(
    submit
      .command("train [folder]")
      .description("Build the training set of a folder (as for portolan model train) and train its program")
      .requiredOption("--use-case <name>", "use case that it belongs to")
      .option("--environment <name>", "whose data it learns from: dev, staging or production", "production")
      .option("--preemptible", "it makes room for more urgent runs, in production too")
      .option("--no-preemptible", "it keeps its place, outside production too")
      .option("--dry-run", "say whether it would begin now, and why not; starts nothing"),
  )
    .addHelpText(
      "after",
      "\nExample:\n  portolan job submit train training --use-case churn --gpu a100:1 --time-limit 12h --priority 5 --dry-run\n  portolan job submit train training --use-case churn --window 22:00-06:00",
    )
    .action(
      (
        folder: string | undefined,
        options: SubmitOptions & { readonly preemptible?: boolean },
        command: Command,
      ) => submitTraining(contextOf(command), folder ?? "training", options),
    );
  withRequestOptions(
    submit
      .command("score <target>")
      .description("Score a snapshot with an endpoint's version, or with a version by itself (MODEL@VERSION)")
      .requiredOption("--use-case <name>", "use case that it belongs to")
      .requiredOption("--dataset <name@snapshot>", "NAME@ds_…, NAME@ts_… or NAME@latest")
      .option("--out <name>", "name of the scored snapshot")
      .option("--environment <name>", "dev, staging or production", "production")
      .option("--purpose <name>", "a purpose that the charter names")
      .option("--columns <names>", "columns that fill the model's inputs, in their order, by commas")
      .option("--keys <names>", "columns that are put beside the scores, by commas")
      .option("--dry-run", "say whether it would begin now, and why not; starts nothing"),
  )
    .addHelpText(
      "after",
      "\nExample:\n  portolan job submit score churn@3 --dataset customers@latest --out scores --use-case churn --mig 1g.10gb:2",
    )
    .action((target: string, options: SubmitOptions & ScoreOptions, command: Command) =>
      submitScoring(contextOf(command), target, options),
    );
}

async function submitTraining(
  context: CliContext,
  folder: string,
  options: SubmitOptions & { readonly preemptible?: boolean },
): Promise<void> {
  const terms = workTermsOf(options);
  const files = options.dryRun ? undefined : await readTrainingFolder(resolve(context.cwd, folder));
  const api = await connect(context);
  const { id: useCaseId } = await findUseCase(api, options.useCase);
  const place = { environment: options.environment, useCaseId };
  if (!files) return dryRun(context, api, { kind: "training", ...place, ...terms });
  const { id: trainingSetId } = await buildTrainingSet(api, place, files.trainingSet);
  const { preemptible } = options;
  const run = await startTraining(api, place, {
    folder: files,
    trainingSetId,
    seed: 7,
    ...terms,
    ...(preemptible === undefined ? {} : { preemptible }),
  });
  await told(context, api, run.id);
}

async function submitScoring(
  context: CliContext,
  target: string,
  options: SubmitOptions & ScoreOptions,
): Promise<void> {
  const terms = workTermsOf(options);
  const api = await connect(context);
  if (options.dryRun) {
    const { id: useCaseId } = await findUseCase(api, options.useCase);
    const { environment } = options;
    return dryRun(context, api, { kind: "scoring", environment, useCaseId, ...terms });
  }
  if (options.out === undefined)
    throw badUsage("the scored snapshot has no name", "Give it one with --out NAME.");
  const body = { ...(await askedOf(api, target, options)), out: options.out, ...terms };
  const { id } = await api.json<Scoring>({ path: "/v1/scorings", body });
  await told(context, api, id);
}

async function dryRun(context: CliContext, api: ApiClient, body: object): Promise<void> {
  const answer = await api.json<QueueAnswer>({ path: "/v1/queue/check", body });
  const { verdict, says, evicts, queue } = answer;
  context.output.result(
    answer,
    [
      `now it ${verdict}: ${says}`,
      ...(queue && queue.request.length > 0 ? [`it asks for ${queue.request.join(", ")}`] : []),
      ...waitLine(queue),
      ...evicts.map((id) => `${id} would have to go`),
    ].join("\n"),
  );
}

async function told(context: CliContext, api: ApiClient, id: string): Promise<void> {
  const found = await read(api, id);
  context.output.result(found, `${id} is ${found.state}${standText(found)}\nNext: portolan job show ${id}`);
}

type Found = (TrainingRunView | Scoring) & { readonly queue?: QueueView };

async function read(api: ApiClient, id: string): Promise<Found> {
  if (id.startsWith("run_"))
    return api.json<TrainingRunView>({ path: `/v1/training-runs/${encodeURIComponent(id)}` });
  if (id.startsWith("sco_")) return api.json<Scoring>({ path: `/v1/scorings/${encodeURIComponent(id)}` });
  throw badUsage(
    `${id.slice(0, 60)} is neither a training run nor a scoring`,
    "Name a run_… or a sco_…, as portolan job list shows them.",
  );
}

/** The durable job of a run or scoring; those that quotas do not know are found among all jobs. */
async function jobOf(api: ApiClient, id: string): Promise<string> {
  const found = await read(api, id);
  if ("job" in found) return found.job;
  const { items } = await api.json<QueueList>({ path: "/v1/queue" });
  const item = items.find((one) => one.id === id);
  if (item) return item.job;
  const { jobs } = await api.json<{ jobs: readonly { id: string; key?: string }[] }>({
    path: "/v1/jobs?queue=training.run&limit=500",
  });
  const job = jobs.find(({ key }) => key === id);
  if (job) return job.id;
  throw badUsage(`${id} has no job that you may see`, "It may be over: portolan job show says.");
}

function standText({ queue, request: { resources } }: Found): string {
  if (!queue || queue.state === "ended") return "";
  const asks = `it asks for ${queue.request.join(", ")}`;
  return [`: ${queue.says}`, asks, ...timeLimitLine(resources), ...waitLine(queue)].join("\n");
}

/** When it may begin, of what has not. */
function timesText({ state, request }: Found): string {
  const { windows = [], notBefore } = request;
  const times = [
    ...(windows.length === 0
      ? []
      : [`within ${windows.map(({ from, to }) => `${from}-${to}`).join(" and ")} UTC`]),
    ...(notBefore === undefined ? [] : [`not before ${formatInstant(asEpochMicros(notBefore))}`]),
  ];
  return state !== "waiting" || times.length === 0 ? "" : `\nit begins ${times.join(", ")}`;
}

/** How it ended, where that was not by itself. */
function endText({ state, failure }: Found): string {
  return failure === undefined || !["failed", "cancelled"].includes(state) ? "" : `: ${failure}`;
}

function waitLine(queue: QueueView | undefined): string[] {
  const seconds = queue?.expectedWaitSeconds;
  return seconds === undefined || seconds === 0 ? [] : [`it may wait about ${duration(seconds * 1_000_000)}`];
}

function stateText({ state, reason, idle }: QueueView): string {
  if (reason === "awaits-approval") return "awaits approval";
  if (!idle?.notice) return state;
  const { stopAt } = idle.notice;
  return stopAt === undefined ? "idle" : `idle, stopped at ${formatInstant(asEpochMicros(stopAt))}`;
}

function listText({ isInForce, items }: QueueList): string {
  if (!isInForce && items.length === 0)
    return "no quotas are in force, so nothing waits for any; portolan logs has all jobs";
  const rows = items.map(({ id, kind, priority, queue }: QueueItem) => [
    id,
    kind,
    queue.team ?? "",
    stateText(queue),
    String(priority),
    queue.request.join(", "),
    queue.position === undefined ? "" : String(queue.position),
    queue.expectedWaitSeconds === undefined ? "" : duration(queue.expectedWaitSeconds * 1_000_000),
  ]);
  return table(["id", "kind", "team", "state", "priority", "asks for", "position", "wait"], rows);
}
