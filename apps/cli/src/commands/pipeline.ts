import { resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { isPortolanError, type JsonObject, PortolanError } from "@portolan/kernel";
import type { PipelineRun, PipelineView } from "@portolan/pipelines/contract";
import type { TrainingRunView } from "@portolan/training/contract";
import type { Command } from "commander";
import type { ApiClient } from "../client/api-client.ts";
import { uploadArtifact } from "../client/artifacts.ts";
import { streamTrainingLog } from "../client/training-log.ts";
import { findUseCase } from "../client/use-cases.ts";
import { connect } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import type { Output } from "../output.ts";
import { readPipelineFile } from "../pipelines/pipeline-file.ts";
import {
  describeRun,
  pipelineTable,
  presentStage,
  progressOf,
  runTable,
} from "../pipelines/pipeline-text.ts";
import type { ContextOf } from "../program.ts";
import { progressBar } from "../progress.ts";

export function registerPipelineCommands(program: Command, contextOf: ContextOf): void {
  const pipeline = program
    .command("pipeline")
    .description("Run declared stages, from rows to a release, as durable jobs")
    .addHelpText(
      "after",
      `
Examples:
  portolan pipeline check pipeline.yaml
  portolan pipeline start pipeline.yaml --wait
  portolan pipeline logs delays-weekly --follow`,
    );
  registerDefinitions(pipeline, contextOf);
  registerStart(pipeline, contextOf);
  registerReading(pipeline, contextOf);
  registerLogs(pipeline, contextOf);
  registerCancel(pipeline, contextOf);
}

function registerDefinitions(pipeline: Command, contextOf: ContextOf): void {
  pipeline
    .command("check <file>")
    .description("Find all that keeps a pipeline's file from being run; needs no server")
    .addHelpText("after", "\nExample:\n  portolan pipeline check pipeline.yaml")
    .action(async (file: string, _options: object, command: Command) => {
      const context = contextOf(command);
      const { name, definition } = await readPipelineFile(resolve(context.cwd, file));
      const kinds = definition.stages.map(({ kind }) => kind);
      context.output.result({ name, stages: kinds }, `${name} can be run: ${kinds.join(", ")}`);
    });
  pipeline
    .command("apply <file>")
    .description("Publish a pipeline; its schedule is in force from then on. The same again changes nothing")
    .addHelpText("after", "\nExample:\n  portolan pipeline apply pipeline.yaml --as max")
    .action(async (file: string, _options: object, command: Command) => {
      const context = contextOf(command);
      const applied = await applyFile(await connect(context), resolve(context.cwd, file));
      context.output.result(applied, pipelineTable([applied]));
    });
}

interface StartOptions {
  readonly environment: string;
  readonly param?: readonly string[];
  readonly priority?: string;
  readonly wait?: boolean;
}

function registerStart(pipeline: Command, contextOf: ContextOf): void {
  pipeline
    .command("start <which>")
    .description("Begin a run, of a file (which is published first) or of a pipeline by name")
    .option("--param <name=value...>", "values of parameters, as JSON or text")
    .option("--priority <number>", "-100 to 100: of two that wait, the higher goes first")
    .option("--environment <name>", "where a pipeline by name is: dev, staging or production", "production")
    .option("--wait", "stay until it has ended; exit code 1 unless it succeeded")
    .addHelpText(
      "after",
      "\nExample:\n  portolan pipeline start pipeline.yaml --param seed=8 --wait --as max",
    )
    .action(async (which: string, options: StartOptions, command: Command) => {
      const context = contextOf(command);
      const api = await connect(context);
      const isFile = /\.ya?ml$/.test(which);
      const { name, environment } = isFile
        ? await applyFile(api, resolve(context.cwd, which))
        : { name: which, environment: options.environment };
      const begun = await api.json<PipelineRun>({
        path: `/v1/pipelines/${encodeURIComponent(name)}/runs`,
        body: {
          environment,
          ...(options.param ? { parameters: parametersOf(options.param) } : {}),
          ...(options.priority === undefined ? {} : { priority: Number(options.priority) }),
        },
      });
      if (options.wait) context.output.note(`${begun.id} has begun`);
      const run = options.wait ? await untilEnded(api, begun, context.output) : begun;
      context.output.result(run, describeRun(run));
    });
}

function registerReading(pipeline: Command, contextOf: ContextOf): void {
  pipeline
    .command("list")
    .description("Pipelines in their newest versions, or the runs of one")
    .option("--runs", "runs instead, the newest first")
    .option("--pipeline <name>", "runs of this pipeline alone")
    .addHelpText("after", "\nExample:\n  portolan pipeline list --runs --pipeline delays-weekly")
    .action(async (options: { runs?: boolean; pipeline?: string }, command: Command) => {
      const context = contextOf(command);
      const api = await connect(context);
      if (options.runs || options.pipeline !== undefined) {
        const runs = await runsOf(api, options.pipeline);
        context.output.result({ runs }, runTable(runs));
        return;
      }
      const { pipelines } = await api.json<{ pipelines: PipelineView[] }>({ path: "/v1/pipelines" });
      context.output.result({ pipelines }, pipelineTable(pipelines));
    });
  pipeline
    .command("status <which>")
    .description("Where a run stands, stage by stage; by its id, or the newest of a pipeline")
    .addHelpText("after", "\nExample:\n  portolan pipeline status delays-weekly")
    .action(async (which: string, _options: object, command: Command) => {
      const context = contextOf(command);
      const run = await findRun(await connect(context), which);
      context.output.result(run, describeRun(run));
    });
  pipeline
    .command("watch <which>")
    .description("Follow a run to its end; exit code 1 unless it succeeded")
    .addHelpText("after", "\nExample:\n  portolan pipeline watch delays-weekly")
    .action(async (which: string, _options: object, command: Command) => {
      const context = contextOf(command);
      const api = await connect(context);
      const run = await untilEnded(api, await findRun(api, which), context.output);
      context.output.result(run, describeRun(run));
    });
}

function registerLogs(pipeline: Command, contextOf: ContextOf): void {
  pipeline
    .command("logs <which>")
    .description("What the trainer of a run wrote")
    .option("--follow", "stay and write it as it comes, until the training is over")
    .addHelpText("after", "\nExample:\n  portolan pipeline logs delays-weekly --follow")
    .action(async (which: string, { follow = false }: { follow?: boolean }, command: Command) => {
      const context = contextOf(command);
      const api = await connect(context);
      const trainingRun = await trainingRunOf(api, await findRun(api, which), follow);
      if (trainingRun === undefined) context.output.note("no training run of it has begun");
      else await streamTrainingLog(api, trainingRun, follow, (text) => context.output.raw(text));
    });
}

function registerCancel(pipeline: Command, contextOf: ContextOf): void {
  pipeline
    .command("cancel <which>")
    .description("End a run: its stage is told to stop, and a release that runs is rolled back")
    .option("--reason <text>", "why; it is on the ledger", "by hand")
    .addHelpText("after", '\nExample:\n  portolan pipeline cancel delays-weekly --reason "the data is wrong"')
    .action(async (which: string, { reason }: { readonly reason: string }, command: Command) => {
      const context = contextOf(command);
      const api = await connect(context);
      const { id } = await findRun(api, which);
      const run = await api.json<PipelineRun>({ path: `${pathOf(id)}/cancellation`, body: { reason } });
      context.output.result(run, describeRun(run));
    });
}

/** Uploads what the file names, and publishes it. */
async function applyFile(api: ApiClient, path: string): Promise<PipelineView> {
  const { name, definition, uploads } = await readPipelineFile(path);
  const { id: useCaseId } = await findUseCase(api, definition.useCaseId);
  const { environment } = definition;
  for (const bytes of uploads) await uploadArtifact(api, { environment, useCaseId }, bytes);
  return api.json<PipelineView>({
    method: "PUT",
    path: `/v1/pipelines/${encodeURIComponent(name)}`,
    body: { ...definition, useCaseId },
  });
}

/** `rounds=20` is a number, `fast=true` a truth value, anything that is no JSON a text. */
function parametersOf(given: readonly string[]): JsonObject {
  return Object.fromEntries(
    given.map((text) => {
      const at = text.indexOf("=");
      if (at < 1)
        throw new PortolanError<CliErrorCode>("cli.bad_usage", {
          detail: `--param ${text.slice(0, 60)} has no name and value`,
          mend: "Write name=value.",
        });
      return [text.slice(0, at), scalarOf(text.slice(at + 1))];
    }),
  );
}

function scalarOf(text: string): number | boolean | string {
  if (text === "true" || text === "false") return text === "true";
  return /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text) ? Number(text) : text;
}

function pathOf(id: string): string {
  return `/v1/pipeline-runs/${encodeURIComponent(id)}`;
}

async function runsOf(api: ApiClient, pipeline: string | undefined): Promise<PipelineRun[]> {
  const query = pipeline === undefined ? "" : `?${new URLSearchParams({ pipeline }).toString()}`;
  return (await api.json<{ runs: PipelineRun[] }>({ path: `/v1/pipeline-runs${query}` })).runs;
}

/** By its id, or the newest of a pipeline. @throws PortolanError `cli.bad_usage` where there is none */
async function findRun(api: ApiClient, which: string): Promise<PipelineRun> {
  if (which.startsWith("plr_")) return api.json<PipelineRun>({ path: pathOf(which) });
  const [newest] = await runsOf(api, which);
  if (newest) return newest;
  throw new PortolanError<CliErrorCode>("cli.bad_usage", {
    detail: `there is no run of a pipeline ${which} that you may see`,
    mend: `Begin one: portolan pipeline start ${which}`,
  });
}

const pollMs = 500;

async function untilEnded(api: ApiClient, begun: PipelineRun, output: Output): Promise<PipelineRun> {
  using bar = progressBar(output, begun.pipeline);
  let now = begun;
  while (now.state === "running") {
    bar.show(progressOf(now), presentStage(now)?.kind ?? "");
    await delay(pollMs);
    now = await api.json<PipelineRun>({ path: pathOf(begun.id) });
  }
  if (now.state !== "succeeded") process.exitCode = 1;
  return now;
}

/** Waits for it to begin, where the caller wants to follow it: its id is on the pipeline's run before that. */
async function trainingRunOf(api: ApiClient, run: PipelineRun, follow: boolean): Promise<string | undefined> {
  let now = run;
  for (;;) {
    const { trainingRunId } = now.made;
    if (trainingRunId !== undefined && (await hasBegun(api, trainingRunId))) return trainingRunId;
    if (!follow || now.state !== "running") return undefined;
    await delay(pollMs);
    now = await api.json<PipelineRun>({ path: pathOf(run.id) });
  }
}

async function hasBegun(api: ApiClient, trainingRunId: string): Promise<boolean> {
  try {
    await api.json<TrainingRunView>({ path: `/v1/training-runs/${trainingRunId}` });
    return true;
  } catch (error) {
    if (isPortolanError(error) && error.code === "training.run_not_found") return false;
    throw error;
  }
}
