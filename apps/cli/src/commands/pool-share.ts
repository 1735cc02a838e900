import { resolve } from "node:path";
import {
  misfits,
  packTurns,
  readSharing,
  type SharedCard,
  type Sharer,
  writeSharing,
} from "@portolan/capacity";
import type { Command } from "commander";
import type { CliContext } from "../context.ts";
import type { ContextOf } from "../program.ts";
import { badUsage, readInput } from "../read-input.ts";
import { writeNew } from "../write-new.ts";

interface ShareOptions {
  readonly memory?: string;
  readonly mostBusy: string;
  readonly most: string;
  readonly check?: string;
  readonly out?: string;
  readonly force?: boolean;
}

/** Cards on which workloads take turns. */
export function registerPoolShareCommand(pool: Command, contextOf: ContextOf): void {
  pool
    .command("share [workloads...]")
    .description("Stand workloads that take turns (time-slicing) on as few cards as possible")
    .option("--memory <size>", "of a card, e.g. 80GiB")
    .option("--most-busy <share>", "of a card's time at most", "90%")
    .option("--most <number>", "of workloads on a card at most", "16")
    .option("--out <file.yaml>", "write the sharing for NVIDIA's device plugin")
    .option("--force", "overwrite the file that is there")
    .option(
      "--check <file.yaml>",
      "instead say what a device plugin's configuration shares, and what is wrong with it",
    )
    .addHelpText(
      "after",
      "\nA workload is its name, the share of a card's time at its busiest, and its memory.\n\nExamples:\n  portolan pool share --memory 80GiB fraud=15%,12GiB churn=5%,4GiB --out sharing.yaml\n  portolan pool share --check sharing.yaml",
    )
    .action(async (workloads: string[], options: ShareOptions, command: Command) => {
      const context = contextOf(command);
      if (options.check === undefined) await share(context, workloads, options);
      else await checkSharing(context, options.check, workloads);
    });
}

async function checkSharing(context: CliContext, file: string, workloads: readonly string[]): Promise<void> {
  if (workloads.length > 0) throw badUsage("--check reads a file alone", "Leave the workloads out.");
  const found = readSharing(await readInput(context, file), file);
  const lines = found.flatMap(({ asked, name, how, replicas, warnings }) => [
    `${name}: ${replicas} parts by ${how}, asked for as ${asked}`,
    ...warnings.map((warning) => `  ${warning}`),
  ]);
  context.output.result({ file, resources: found }, lines.join("\n"));
}

async function share(
  context: CliContext,
  workloads: readonly string[],
  options: ShareOptions,
): Promise<void> {
  if (options.memory === undefined || workloads.length === 0)
    throw badUsage(
      "the card's memory and at least one workload are needed",
      "Write e.g. --memory 80GiB fraud=15%,12GiB, or --check a file.",
    );
  const card: SharedCard = {
    memoryMib: mib(options.memory),
    mostBusyMilli: milli(options.mostBusy),
    mostSharers: wholeNumber(options.most),
  };
  const sharers = workloads.map(sharerOf);
  const [large] = misfits(sharers, card);
  if (large)
    throw badUsage(
      `${large.name} asks for ${gib(large.memoryMib)} and ${percent(large.busyMilli)} of the time: more than a card gives`,
      "Give it a card of its own, or a larger one.",
    );
  const { cards, atLeast } = packTurns(sharers, card);
  const replicas = Math.max(2, ...cards.map((on) => on.length));
  const file = writeSharing(replicas);
  const written =
    options.out === undefined
      ? undefined
      : await writeNew(resolve(context.cwd, options.out), file, options.force === true);
  const proof = cards.length === atLeast ? "no fewer are possible" : `at least ${atLeast} are needed`;
  const sum = (on: readonly Sharer[], of: (one: Sharer) => number) =>
    on.reduce((all, one) => all + of(one), 0);
  context.output.result(
    { cards, atLeast, replicas, file: written },
    [
      `${cards.length} cards (${proof}), ${replicas} parts each:`,
      ...cards.map(
        (on, index) =>
          `  ${index}: ${on.map(({ name }) => name).join(", ")} (${percent(sum(on, (one) => one.busyMilli))} of the time, ${gib(sum(on, (one) => one.memoryMib))})`,
      ),
      "Turns keep nobody's memory apart: one that takes too much ends the others on its card.",
      written === undefined ? `\n${file}` : `wrote ${written}`,
    ].join("\n"),
  );
}

/** `fraud=15%,12GiB`. */
function sharerOf(text: string): Sharer {
  const [, name = "", busy = "", memory = ""] = /^([^=\s]{1,100})=([^,]+),(.+)$/.exec(text) ?? [];
  if (name === "")
    throw badUsage(`${text.slice(0, 60)} is no workload`, "Write it as fraud=15%,12GiB: name, time, memory.");
  return { name, busyMilli: milli(busy), memoryMib: mib(memory) };
}

function milli(text: string): number {
  const share = /^(\d{1,3}(?:\.\d)?) ?%$/.exec(text.trim())?.[1];
  const found = Math.round(10 * Number(share));
  if (share !== undefined && found >= 1 && found <= 1000) return found;
  throw badUsage(
    `${text.slice(0, 40)} is no share of a card's time`,
    "Write it as 15% or 2.5%, at most 100%.",
  );
}

function mib(text: string): number {
  const [, amount, unit] = /^(\d{1,7}(?:\.\d{1,3})?) ?(GiB|MiB)$/.exec(text.trim()) ?? [];
  const found = Math.ceil(Number(amount) * (unit === "GiB" ? 1024 : 1));
  if (amount !== undefined && found >= 1) return found;
  throw badUsage(`${text.slice(0, 40)} is no amount of memory`, "Write it as 12GiB or 512MiB.");
}

function wholeNumber(text: string): number {
  const found = Number(text);
  if (/^\d{1,3}$/.test(text) && found >= 2) return found;
  throw badUsage(`${text.slice(0, 20)} is no number of workloads from 2 to 999`, "Write it as --most 8.");
}

const gib = (memoryMib: number): string => `${Number((memoryMib / 1024).toFixed(2))} GiB`;
const percent = (busyMilli: number): string => `${busyMilli / 10} %`;
