import { resolve } from "node:path";
import {
  comparePooling,
  experiment,
  type PolicyName,
  type Pooling,
  policyNames,
  type Runs,
  readMachines,
  readPods,
  readUsage,
} from "@portolan/capacity";
import { seededRandom } from "@portolan/numerics";
import type { Command } from "commander";
import type { CliContext } from "../context.ts";
import { allocationPicture, poolingPicture } from "../pool/pictures.ts";
import type { ContextOf } from "../program.ts";
import { progressBar } from "../progress.ts";
import { badUsage, readInput } from "../read-input.ts";
import { writeNew } from "../write-new.ts";
import { registerPoolMigCommands } from "./pool-mig.ts";
import { registerPoolShareCommand } from "./pool-share.ts";
import { registerPoolStatus } from "./pool-status.ts";

/** What a pool of graphics cards can hold and how well it is used; needs no server. */
export function registerPoolCommands(program: Command, contextOf: ContextOf): void {
  const pool = program
    .command("pool")
    .description(
      "Pools of graphics cards: MIG layouts and packing, placement policies, pooled beside dedicated",
    )
    .addHelpText("after", "\nExample:\n  portolan pool layouts H100-80GB");
  registerPoolMigCommands(pool, contextOf);
  registerPoolShareCommand(pool, contextOf);
  registerPoolStatus(pool, contextOf);
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

const list = (value: string, before: readonly string[] = []): string[] => [
  ...before,
  ...value.split(",").filter(Boolean),
];

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
    throw badUsage(
      `there is no policy ${JSON.stringify(name.slice(0, 40))}`,
      `Use some of: ${policyNames.join(", ")}.`,
    );
  });
}

const firstSeed = 42;

async function simulatePool(context: CliContext, options: SimulateOptions): Promise<void> {
  const [seeds, load] = [Number(options.seeds), Number(options.load)];
  if (!Number.isInteger(seeds) || seeds < 1 || seeds > 100)
    throw badUsage("--seeds is no number of 1 to 100", "Say --seeds 10.");
  if (!(load > 0 && load <= 10)) throw badUsage("--load is no share above 0 and up to 10", "Say --load 1.3.");
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
      throw badUsage(
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
    throw badUsage(`--dedicated ${text.slice(0, 60)} is no team with its cards`, "Write it as research=16.");
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
