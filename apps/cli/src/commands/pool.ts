import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import {
  type CapacityErrorCode,
  comparePooling,
  countsOf,
  experiment,
  type Instance,
  type MigModel,
  type MigProfile,
  maximalLayouts,
  migModels,
  type Packing,
  type PolicyName,
  type Pooling,
  packInstances,
  policyNames,
  profileOf,
  type Runs,
  readMachines,
  readMigParted,
  readPods,
  readUsage,
  smallestProfile,
  writeMigParted,
} from "@portolan/capacity";
import { PortolanError } from "@portolan/kernel";
import { seededRandom } from "@portolan/numerics";
import type { Command } from "commander";
import type { CliContext } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import { allocationPicture, poolingPicture } from "../pool/pictures.ts";
import type { ContextOf } from "../program.ts";
import { progressBar } from "../progress.ts";
import { writeNew } from "../write-new.ts";

/** What a pool of graphics cards can hold and how well it is used; needs no server. */
export function registerPoolCommands(program: Command, contextOf: ContextOf): void {
  const pool = program
    .command("pool")
    .description(
      "Pools of graphics cards: MIG layouts and packing, placement policies, pooled beside dedicated",
    );
  registerMig(pool, contextOf);
  pool
    .command("simulate")
    .description(
      "Place a trace of pods on machines under several policies: how many cards each gets into use",
    )
    .requiredOption("--machines <file.csv>", "columns sn, cpu_milli, memory_mib, gpu, model")
    .requiredOption("--pods <file.csv>", "columns name, cpu_milli, memory_mib, num_gpu, gpu_milli, gpu_spec")
    .option("--policy <names>", `of ${policyNames.join(", ")}; all by default`, list)
    .option("--seeds <n>", "runs, each with arrivals of its own (42, 43, …)", "3")
    .option("--load <share>", "share of all cards that is asked for at the end", "1.3")
    .option("--picture <file.svg>", "draw how the cards fill")
    .option("--force", "overwrite the picture that is there")
    .addHelpText(
      "after",
      "\nNo policy may refuse a pod that fits; the answer says how many each refused.\n\nExample:\n  portolan pool simulate --machines nodes.csv --pods pods.csv --policy fgd,least-loss --seeds 10",
    )
    .action((options: SimulateOptions, command: Command) => simulatePool(contextOf(command), options));
  pool
    .command("compare")
    .description("What teams need each for themselves beside what they need together, from recorded usage")
    .requiredOption("--usage <file.csv>", "columns at, team, gpus: cards in use from then on")
    .option("--dedicated <team=cards,...>", "cards of a team's own; by default its peak", list)
    .option("--picture <file.svg>", "draw the usage with both")
    .option("--force", "overwrite the picture that is there")
    .addHelpText(
      "after",
      "\nExample:\n  portolan pool compare --usage gpus.csv --dedicated research=16,finance=8 --picture pool.svg",
    )
    .action((options: CompareOptions, command: Command) => comparePool(contextOf(command), options));
}

function registerMig(pool: Command, contextOf: ContextOf): void {
  pool
    .command("layouts <model>")
    .description("How a card can be cut into MIG instances, to the last slice")
    .option("--with-media", "instances with the media engines too")
    .addHelpText(
      "after",
      `\nModels: ${migModels.map(({ name }) => name).join(", ")}\n\nExample:\n  portolan pool layouts H100-80GB`,
    )
    .action((model: string, options: { withMedia?: boolean }, command: Command) =>
      showLayouts(contextOf(command), modelNamed(model), options.withMedia === true),
    );
  pool
    .command("pack <model> <instances...>")
    .description(
      "Stand MIG instances on as few cards as possible; an instance is a profile, or GiB of memory",
    )
    .option("--name <name>", "of the configuration that is written", "packed")
    .option("--out <file.yaml>", "write it for nvidia-mig-parted")
    .option("--force", "overwrite the file that is there")
    .addHelpText(
      "after",
      "\nExamples:\n  portolan pool pack H100-80GB 1g.10gb=9 3g.40gb=2\n  portolan pool pack H100-80GB 16GiB=4 --out mig.yaml",
    )
    .action((model: string, instances: string[], options: PackOptions, command: Command) =>
      packPool(contextOf(command), modelNamed(model), instances, options),
    );
  pool
    .command("check <file.yaml>")
    .description("Whether cards can be cut as a file of nvidia-mig-parted says")
    .option("--model <model>", "the cards that it is for; by default any that has the profiles")
    .addHelpText("after", "\nExample:\n  portolan pool check mig.yaml --model H100-80GB")
    .action((file: string, options: { model?: string }, command: Command) =>
      checkMig(contextOf(command), file, options.model),
    );
}

async function checkMig(context: CliContext, file: string, named: string | undefined): Promise<void> {
  const model = named === undefined ? undefined : modelNamed(named);
  const { file: read, doubts } = readMigParted(await readInput(context, file), file, model);
  const names = Object.keys(read["mig-configs"]);
  const said = doubts.map(({ detail, at }) => `  line ${at?.line ?? "?"}: ${detail}`);
  context.output.result(
    { file, configurations: names, doubts },
    [
      `${file}: ${names.length} configurations${doubts.length === 0 ? ", each can stand" : ""}: ${names.join(", ")}`,
      ...(said.length > 0 ? ["In doubt, for nothing says which card is meant (--model does):", ...said] : []),
    ].join("\n"),
  );
}

const list = (value: string, before: readonly string[] = []): string[] => [
  ...before,
  ...value.split(",").filter(Boolean),
];

function bad(detail: string, mend: string): PortolanError<CliErrorCode> {
  return new PortolanError<CliErrorCode>("cli.bad_usage", { detail, mend });
}

function modelNamed(name: string): MigModel {
  const found = migModels.find((model) => model.name.toLowerCase() === name.toLowerCase());
  if (found) return found;
  throw new PortolanError<CapacityErrorCode>("capacity.unknown_model", {
    detail: `no card ${JSON.stringify(name.slice(0, 60))} with MIG is known`,
    mend: `Name one of ${migModels.map((model) => model.name).join(", ")}.`,
  });
}

async function readInput(context: CliContext, file: string): Promise<string> {
  return readFile(resolve(context.cwd, file), "utf8");
}

function inferred({ name, isVerified }: MigModel): string {
  return isVerified
    ? ""
    : `\nWhere instances may begin on ${name} is inferred from its siblings: verify with nvidia-smi mig -lgipp.`;
}

function layoutText(layout: readonly Instance[]): string {
  return layout
    .toSorted((a, b) => a.start - b.start)
    .map(({ profile, start }) => `${profile.name}@${start}`)
    .join("  ");
}

function showLayouts({ output }: CliContext, model: MigModel, withMedia: boolean): void {
  const all = maximalLayouts(model, { withMedia });
  const value = {
    model: model.name,
    isVerified: model.isVerified,
    profiles: model.profiles,
    layouts: all.map((layout) => layout.map(({ profile, start }) => ({ profile: profile.name, start }))),
  };
  const sets = Map.groupBy(all, (layout) => countsOf(model, layout).join());
  const lines = [...sets.values()].map(([layout = []]) => layoutText(layout));
  output.result(
    value,
    `${model.name}: ${all.length} ways to cut it to the last slice, ${sets.size} sets of instances (profile@memory slice):\n${lines.join("\n")}${inferred(model)}`,
  );
}

interface PackOptions {
  readonly name: string;
  readonly out?: string;
  readonly force?: boolean;
}

/** `1g.10gb=7`, `16GiB=4`, or without a number one of it. */
function instanceOf(model: MigModel, text: string): { readonly profile: MigProfile; readonly count: number } {
  const [what = "", number = "1"] = text.split("=");
  const count = Number(number);
  if (!Number.isInteger(count) || count < 1 || count > 10_000)
    throw bad(
      `${text.slice(0, 60)}: ${number.slice(0, 20)} is no number of instances`,
      "Write it as 1g.10gb=7.",
    );
  const memory = /^(\d+(?:\.\d+)?)GiB$/i.exec(what)?.[1];
  const profile =
    memory === undefined
      ? profileOf(model, what)
      : smallestProfile(model, { memoryGib: Number(memory), computeSlices: 1 });
  return { profile, count };
}

async function packPool(
  context: CliContext,
  model: MigModel,
  instances: readonly string[],
  options: PackOptions,
): Promise<void> {
  const asked = instances.map((text) => instanceOf(model, text));
  const counts = model.profiles.map(({ name }) =>
    asked.reduce((sum, { profile, count }) => sum + (profile.name === name ? count : 0), 0),
  );
  const packing = packInstances(model, counts);
  const file = writeMigParted(options.name, packing.cards);
  const written =
    options.out === undefined
      ? undefined
      : await writeNew(resolve(context.cwd, options.out), file, options.force === true);
  context.output.result(
    {
      model: model.name,
      cards: packing.cards.map((card) =>
        card.map(({ profile, start }) => ({ profile: profile.name, start })),
      ),
      atLeast: packing.atLeast,
      isOptimal: packing.isOptimal,
      left: packing.left,
      file: written,
    },
    `${packingText(packing)}\n${written === undefined ? `\n${file}` : `wrote ${written}`}${inferred(model)}`,
  );
}

function packingText({ model, cards, atLeast, isOptimal, left }: Packing): string {
  const shown = cards.slice(0, 50).map((card, index) => `  ${index}: ${layoutText(card)}`);
  const proof = isOptimal ? "no fewer are possible" : `at least ${atLeast} are needed`;
  const more = cards.length > shown.length ? [`  … and ${cards.length - shown.length} more`] : [];
  return [
    `${cards.length} x ${model.name} (${proof}); ${left.compute} compute and ${left.memory} memory slices are left:`,
    ...shown,
    ...more,
  ].join("\n");
}

interface SimulateOptions {
  readonly machines: string;
  readonly pods: string;
  readonly policy?: string[];
  readonly seeds: string;
  readonly load: string;
  readonly picture?: string;
  readonly force?: boolean;
}

function policiesOf(names: readonly string[] = policyNames): PolicyName[] {
  return names.map((name) => {
    const found = policyNames.find((policy) => policy === name);
    if (found) return found;
    throw bad(
      `there is no policy ${JSON.stringify(name.slice(0, 40))}`,
      `Use some of: ${policyNames.join(", ")}.`,
    );
  });
}

const firstSeed = 42;

async function simulatePool(context: CliContext, options: SimulateOptions): Promise<void> {
  const [seeds, load] = [Number(options.seeds), Number(options.load)];
  if (!Number.isInteger(seeds) || seeds < 1 || seeds > 100)
    throw bad("--seeds is no number of 1 to 100", "Say --seeds 10.");
  if (!(load > 0 && load <= 10)) throw bad("--load is no share above 0 and up to 10", "Say --load 1.3.");
  const policies = policiesOf(options.policy);
  const machines = readMachines(await readInput(context, options.machines), options.machines);
  const pods = readPods(await readInput(context, options.pods), options.pods);
  const order = {
    machines,
    pods,
    load,
    randomOf: seededRandom,
    seeds: Array.from({ length: seeds }, (_, index) => firstSeed + index),
  };
  using bar = progressBar(context.output, "simulating");
  const results = policies.map((policy, index) =>
    experiment(order, policy, (done) => bar.show((index + done / seeds) / policies.length, policy)),
  );
  if (options.picture !== undefined)
    await writeNew(resolve(context.cwd, options.picture), allocationPicture(results), options.force === true);
  const gpus = machines.reduce((sum, machine) => sum + machine.gpus, 0);
  context.output.result(
    { machines: machines.length, gpus, pods: pods.length, load, results: results.map(summary) },
    [
      `${machines.length} machines with ${gpus} cards; ${pods.length} pods, sampled to ask for ${(100 * load).toFixed(0)} % of the cards; ${seeds} runs each`,
      "policy       cards in use      least      most   refused",
      ...results.map(line),
      ...(options.picture === undefined ? [] : [`drew ${options.picture}`]),
    ].join("\n"),
  );
}

function summary({ policy, allocation, least, most, refusedThoughFeasible, runs }: Runs) {
  const short = runs.map(({ arrived, placed, refused, allocation: share }) => ({
    arrived,
    placed,
    refused,
    allocation: share,
  }));
  return { policy, allocation, least, most, refusedThoughFeasible, runs: short };
}

function line({ policy, allocation, least, most, runs }: Runs): string {
  const share = (value: number): string => `${(100 * value).toFixed(2)} %`.padStart(10);
  const refused = runs.reduce((sum, run) => sum + run.refused, 0) / Math.max(1, runs.length);
  return `${policy.padEnd(12)}${share(allocation).padStart(13)}${share(least)}${share(most)}${refused.toFixed(0).padStart(10)}`;
}

interface CompareOptions {
  readonly usage: string;
  readonly dedicated?: string[];
  readonly picture?: string;
  readonly force?: boolean;
}

async function comparePool(context: CliContext, options: CompareOptions): Promise<void> {
  const usage = readUsage(await readInput(context, options.usage), options.usage);
  const dedicated = new Map((options.dedicated ?? []).map(ownCards));
  for (const team of dedicated.keys())
    if (!usage.some((one) => one.team === team))
      throw bad(
        `${options.usage} has no usage of the team ${JSON.stringify(team)}`,
        "Name teams as the file does.",
      );
  const found = comparePooling(usage, dedicated);
  if (options.picture !== undefined)
    await writeNew(resolve(context.cwd, options.picture), poolingPicture(found), options.force === true);
  context.output.result(found, poolingText(found));
}

function ownCards(text: string): [string, number] {
  const [team = "", cards = ""] = text.split("=");
  const count = Number(cards);
  if (team === "" || cards === "" || !Number.isInteger(count) || count < 0)
    throw bad(`--dedicated ${text.slice(0, 60)} is no team with its cards`, "Write it as research=16.");
  return [team, count];
}

function poolingText(found: Pooling): string {
  const share = (value: number): string => `${(100 * value).toFixed(1)} %`;
  return [
    "team                 own cards   peak    mean   in use",
    ...found.teams.map(
      ({ team, dedicated, peak, mean, utilisation }) =>
        `${team.padEnd(20)}${String(dedicated).padStart(10)}${String(peak).padStart(7)}${mean.toFixed(1).padStart(8)}${share(utilisation).padStart(9)}`,
    ),
    `Each for itself: ${found.dedicated} cards, ${share(found.dedicatedUtilisation)} in use.`,
    `One pool: ${found.pooled} cards are never short, ${share(found.pooledUtilisation)} in use.`,
    ...found.shortfalls.map(
      ({ gpus, shortOfTime }) => `  of ${gpus} cards it is short in ${share(shortOfTime)} of the time`,
    ),
  ].join("\n");
}
