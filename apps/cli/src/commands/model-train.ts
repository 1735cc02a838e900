import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { PortolanError } from "@portolan/kernel";
import type { ModelVersion } from "@portolan/registry/contract";
import type { Command } from "commander";
import { buildTrainingSet, keylessRows, startTraining, waitForRun } from "../client/training.ts";
import { findUseCase } from "../client/use-cases.ts";
import { type CliContext, connect } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import type { ContextOf } from "../program.ts";
import { readTrainingFolder } from "../training-folder.ts";
import { type RequestOptions, withRequestOptions, workTermsOf } from "./work-request.ts";

interface TrainOptions extends RequestOptions {
  readonly useCase: string;
  readonly environment: string;
  readonly seed: string;
  readonly save?: string;
  readonly backend?: string;
  readonly checkpointEvery?: string;
  readonly preemptible?: boolean;
}

export function registerTrain(model: Command, contextOf: ContextOf): void {
  withRequestOptions(
    model
      .command("train <name> [folder]")
      .description(
        "Build the training set of a folder, train its program on the server, and register what came out",
      )
      .requiredOption("--use-case <name>", "use case that it belongs to")
      .option("--environment <name>", "whose data it learns from: dev, staging or production", "production")
      .option("--seed <number>", "what its randomness starts from, 0 to 4294967295", "7")
      .option("--backend <name>", "where it runs: process (beside the server, the default) or ray")
      .option("--checkpoint-every <seconds>", "its program leaves a checkpoint at least so often; watched")
      .option("--preemptible", "it makes room for more urgent runs, in production too")
      .option("--no-preemptible", "it keeps its place, outside production too")
      .option("--save <file>", "append PORTOLAN_VERSION, PORTOLAN_RUN and PORTOLAN_HELD_OUT as NAME=value"),
  )
    .addHelpText(
      "after",
      `
The folder (default: training) holds train.py, requirements-3.N.lock and training-set.json (the body of
POST /v1/training-sets), and may hold held-out.json (what differs for the later rows that the version is judged
on) and params.json.

Example:
  portolan model train flight-delays training --use-case flight-delays --environment staging`,
    )
    .action((name: string, folder: string | undefined, options: TrainOptions, command: Command) =>
      trainModel(contextOf(command), { name, folder: folder ?? "training" }, options),
    );
}

async function trainModel(
  context: CliContext,
  { name, folder }: { readonly name: string; readonly folder: string },
  options: TrainOptions,
): Promise<void> {
  const manner = { ...mannerOf(options), ...workTermsOf(options) };
  const files = await readTrainingFolder(resolve(context.cwd, folder));
  const seed = seedOf(options.seed);
  const backend = backendOf(options.backend);
  const api = await connect(context);
  const { id: useCaseId } = await findUseCase(api, options.useCase);
  const place = { environment: options.environment, useCaseId };
  const set = await buildTrainingSet(api, place, files.trainingSet);
  const { id: trainingSet } = set;
  context.output.note([`training set ${trainingSet}`, ...keylessRows(set)].join("\n"));
  const heldOut = files.heldOut && (await buildTrainingSet(api, place, files.heldOut)).id;
  if (heldOut !== undefined) context.output.note(`held-out rows ${heldOut}`);
  const started = await startTraining(api, place, {
    folder: files,
    trainingSetId: trainingSet,
    seed,
    ...(backend === undefined ? {} : { backend }),
    ...manner,
  });
  context.output.note(`training run ${started.id}`);
  const run = await waitForRun(api, started.id);
  const lineage = { origin: "trained", trainingRunId: run.id };
  const { version } = await api.json<ModelVersion>({
    path: `/v1/models/${encodeURIComponent(name)}/versions`,
    body: { ...place, artifact: run.result.model, lineage },
  });
  const result = { model: name, version, run: run.id, trainingSet, ...(heldOut ? { heldOut } : {}) };
  if (options.save !== undefined)
    await writeFile(resolve(context.cwd, options.save), variablesOf(result), { flag: "a" });
  const judged = heldOut
    ? `\nNext: portolan model evaluate ${name} ${version} --training-set ${heldOut}`
    : "";
  context.output.result(result, `${name} version ${version} by ${run.id}${judged}`);
}

function seedOf(text: string): number {
  const seed = Number(text);
  if (text !== "" && Number.isInteger(seed) && seed >= 0 && seed <= 4_294_967_295) return seed;
  throw new PortolanError<CliErrorCode>("cli.bad_usage", {
    detail: `--seed ${text.slice(0, 20)} is no whole number from 0 to 4294967295`,
  });
}

function backendOf(name: string | undefined): "process" | "ray" | undefined {
  if (name === undefined || name === "process" || name === "ray") return name;
  throw new PortolanError<CliErrorCode>("cli.bad_usage", {
    detail: `--backend ${name.slice(0, 20)} is neither process nor ray`,
  });
}

function mannerOf({ checkpointEvery, preemptible }: TrainOptions): {
  readonly checkpointIntervalSeconds?: number;
  readonly preemptible?: boolean;
} {
  const seconds = Number(checkpointEvery ?? 1);
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > 86_400)
    throw new PortolanError<CliErrorCode>("cli.bad_usage", {
      detail: `--checkpoint-every ${(checkpointEvery ?? "").slice(0, 20)} is no whole number of seconds from 1 to 86400`,
    });
  return {
    ...(checkpointEvery === undefined ? {} : { checkpointIntervalSeconds: seconds }),
    ...(preemptible === undefined ? {} : { preemptible }),
  };
}

/** Lines that a shell sources, GitLab reads as dotenv and GitHub as `$GITHUB_ENV`. */
function variablesOf(result: {
  readonly version: number;
  readonly run: string;
  readonly heldOut?: string;
}): string {
  const held = result.heldOut === undefined ? "" : `PORTOLAN_HELD_OUT=${result.heldOut}\n`;
  return `PORTOLAN_VERSION=${result.version}\nPORTOLAN_RUN=${result.run}\n${held}`;
}
