import { join, resolve } from "node:path";
import { messageOf, PortolanError } from "@portolan/kernel";
import type { Command } from "commander";
import { buildTrainingSet, startTraining } from "../client/training.ts";
import { findUseCase } from "../client/use-cases.ts";
import { type CliContext, connect } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import type { ContextOf } from "../program.ts";
import { readText } from "../project-files.ts";
import { parseSweep, type SweepDeclaration } from "../sweep/declaration.ts";
import { cancelSweep, readState, runSweep } from "../sweep/run-sweep.ts";
import { bestOf, isOver, sweepText } from "../sweep/trials.ts";
import { readTrainingFolder } from "../training-folder.ts";
import { type RequestOptions, withRequestOptions, workTermsOf } from "./work-request.ts";

interface SweepOptions extends RequestOptions {
  readonly useCase: string;
  readonly environment: string;
  readonly trainingSet?: string;
  readonly seed: string;
  readonly concurrency: string;
  readonly state?: string;
}

export function registerSweepCommands(program: Command, contextOf: ContextOf): void {
  const sweep = program
    .command("sweep")
    .description("Try hyperparameters: each trial is a training run, and the best one is named")
    .addHelpText("after", "\nExample:\n  portolan sweep run training --use-case churn --environment dev");
  withRequestOptions(
    sweep
      .command("run [folder]")
      .description("Begin the sweep of a training folder, or go on with it, and wait for its end")
      .requiredOption("--use-case <name>", "use case that it belongs to")
      .option("--environment <name>", "whose data it learns from: dev, staging or production", "dev")
      .option("--training-set <id>", "a set that is ready; absent: that of the folder is built")
      .option("--seed <number>", "what the randomness of each trial starts from, 0 to 4294967295", "7")
      .option("--concurrency <number>", "runs that wait or run at once, 1 to 20", "2")
      .option("--state <file>", "what it goes on from; absent: sweep-state.json of the folder"),
    "of each trial: ",
  )
    .addHelpText(
      "after",
      "\nThe folder is that of `portolan model train`, with a sweep.json (docs/training.md).\n\nExample:\n  portolan sweep run training --use-case churn --concurrency 4",
    )
    .action(async (folder: string | undefined, options: SweepOptions, command: Command) =>
      sweepFolder(contextOf(command), folder ?? "training", options),
    );
  sweep
    .command("cancel [folder]")
    .description("Cancel the trials that are under way; `sweep run` goes on with those not started")
    .option("--state <file>", "the state of the sweep; absent: sweep-state.json of the folder")
    .addHelpText("after", "\nExample:\n  portolan sweep cancel training")
    .action(async (folder: string | undefined, options: { state?: string }, command: Command) => {
      const context = contextOf(command);
      const state = await readState(statePath(context, folder ?? "training", options.state));
      if (!state) throw badUsage("there is no sweep to cancel: no state file");
      const cancelled = await cancelSweep(await connect(context), state);
      context.output.result({ cancelled }, `${cancelled.length} runs are told to stop`);
    });
}

async function sweepFolder(context: CliContext, folder: string, options: SweepOptions): Promise<void> {
  const root = resolve(context.cwd, folder);
  const declaration = await readDeclaration(join(root, "sweep.json"));
  const seed = wholeNumber("--seed", options.seed, 0, 4_294_967_295);
  const concurrency = wholeNumber("--concurrency", options.concurrency, 1, 20);
  const terms = workTermsOf(options);
  const files = await readTrainingFolder(root);
  const api = await connect(context);
  const { id: useCaseId } = await findUseCase(api, options.useCase);
  const place = { environment: options.environment, useCaseId };
  const stateFile = statePath(context, folder, options.state);
  const { program, locks, params, trainingSet: recipe } = files;
  const texts = locks.map(({ minor, text }) => [minor, text]);
  const trials = await runSweep(api, {
    declaration,
    origin: JSON.stringify([place, recipe, seed, program, params, texts]),
    stateFile,
    concurrency,
    ...(options.trainingSet === undefined ? {} : { trainingSet: options.trainingSet }),
    build: async () => (await buildTrainingSet(api, place, recipe)).id,
    start: (trainingSetId, tried) =>
      startTraining(api, place, {
        folder: { program, locks, params: { ...params, ...tried } },
        trainingSetId,
        seed,
        ...terms,
      }),
    onChange: progress(context),
  });
  const best = bestOf(trials, declaration);
  context.output.result({ trials, ...(best ? { best } : {}) }, sweepText(trials, declaration));
  if (!best) process.exitCode = 1;
}

/** Tells each time that another trial is over. */
function progress({ output }: CliContext): (trials: Parameters<typeof sweepText>[0]) => void {
  let told = -1;
  return (trials) => {
    const over = trials.filter(isOver).length;
    if (over !== told) output.note(`${over} of ${trials.length} trials are over`);
    told = over;
  };
}

async function readDeclaration(path: string): Promise<SweepDeclaration> {
  const { text } = await readText(path);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new PortolanError<CliErrorCode>("cli.bad_file", {
      detail: `${path} is no JSON: ${messageOf(cause)}`,
      mend: "See docs/training.md, Sweeps.",
    });
  }
  return parseSweep(path, value);
}

function statePath({ cwd }: CliContext, folder: string, state: string | undefined): string {
  return state === undefined ? join(resolve(cwd, folder), "sweep-state.json") : resolve(cwd, state);
}

function wholeNumber(option: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (text !== "" && Number.isInteger(value) && value >= least && value <= most) return value;
  throw badUsage(`${option} ${text.slice(0, 20)} is no whole number from ${least} to ${most}`);
}

function badUsage(detail: string): PortolanError<CliErrorCode> {
  return new PortolanError("cli.bad_usage", { detail, mend: "See portolan sweep --help." });
}
