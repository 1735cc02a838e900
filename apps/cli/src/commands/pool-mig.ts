import { resolve } from "node:path";
import {
  type CapacityErrorCode,
  countsOf,
  type Instance,
  type MigModel,
  type MigProfile,
  maximalLayouts,
  migModels,
  type Packing,
  packInstances,
  profileOf,
  readMigParted,
  smallestProfile,
  writeMigParted,
} from "@portolan/capacity";
import { isPortolanError, PortolanError } from "@portolan/kernel";
import type { Command } from "commander";
import type { CliContext } from "../context.ts";
import { bookOf, priceLines, pricing } from "../ownership/card-prices.ts";
import { productsOf, sliceCosts, sliceCostsJson, sliceCostsText } from "../pool/slice-costs.ts";
import type { ContextOf } from "../program.ts";
import { range } from "../ranges.ts";
import { badUsage, readInput } from "../read-input.ts";
import { writeNew } from "../write-new.ts";

/** How single cards can be cut. */
export function registerPoolMigCommands(pool: Command, contextOf: ContextOf): void {
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
    .option("--card-hour <money>", `what a card costs an hour, in the place of the price book${range}`)
    .option("--prices <file>", "your own prices: they win over the shipped ones")
    .option("--currency <code>", "of every amount here", "USD")
    .addHelpText(
      "after",
      "\nExamples:\n  portolan pool pack H100-80GB 1g.10gb=9 3g.40gb=2\n  portolan pool pack H100-80GB 16GiB=4 --out mig.yaml\n  portolan pool pack A30 1g.6gb=6 --card-hour 0.90",
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

function modelNamed(name: string): MigModel {
  const found = migModels.find((model) => model.name.toLowerCase() === name.toLowerCase());
  if (found) return found;
  throw new PortolanError<CapacityErrorCode>("capacity.unknown_model", {
    detail: `no card ${JSON.stringify(name.slice(0, 60))} with MIG is known`,
    mend: `Name one of ${migModels.map((model) => model.name).join(", ")}.`,
  });
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
  readonly cardHour?: string;
  readonly prices?: string;
  readonly currency: string;
  readonly name: string;
  readonly out?: string;
  readonly force?: boolean;
}

/** `1g.10gb=7`, `16GiB=4`, or without a number one of it. */
function instanceOf(model: MigModel, text: string): { readonly profile: MigProfile; readonly count: number } {
  const [what = "", number = "1"] = text.split("=");
  const count = Number(number);
  if (!Number.isInteger(count) || count < 1 || count > 10_000)
    throw badUsage(
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
  const costs = await costsOf(context, packing, options);
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
      costs: costs.document,
      file: written,
    },
    `${packingText(packing)}\n${costs.text}\n${written === undefined ? `\n${file}` : `wrote ${written}`}${inferred(model)}`,
  );
}

/** Of a card that the price book does not have it says so: how many cards there are is worth knowing without. */
async function costsOf(
  context: CliContext,
  packing: Packing,
  { cardHour, prices, currency }: PackOptions,
): Promise<{ readonly document: object; readonly text: string }> {
  const { priced, notes } = pricing(await bookOf(context, prices), currency);
  const asked = {
    resource: "gpu_hour",
    placement: "cloud",
    products: productsOf(packing.model.name),
  } as const;
  try {
    const costs = sliceCosts(packing, priced("--card-hour", cardHour, asked));
    return {
      document: { ...sliceCostsJson(costs), ...notes() },
      text: [sliceCostsText(costs), ...priceLines(notes())].join("\n"),
    };
  } catch (error) {
    if (!isPortolanError(error) || error.code !== "planner.price_missing") throw error;
    const why = error.detail ?? error.code;
    return { document: { unpriced: why }, text: `Not priced: ${why}. Say --card-hour, or --prices.` };
  }
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
