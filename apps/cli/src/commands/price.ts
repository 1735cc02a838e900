import { resolve } from "node:path";
import { type EpochMicros, formatInstant, formatMoney, parseInstant, systemClock } from "@portolan/kernel";
import {
  certifications,
  certificationsText,
  findPrice,
  mergePriceBooks,
  type PriceFilter,
  type PriceFinding,
  type PriceView,
  parsePriceFile,
  placements,
  pricedResources,
  pricingModels,
  reviewPrices,
  searchPrices,
} from "@portolan/planner/policy";
import { readShippedPrices } from "@portolan/planner/prices";
import { type Command, Option } from "commander";
import type { CliContext } from "../context.ts";
import type { ContextOf } from "../program.ts";
import { readText } from "../project-files.ts";
import { badUsage } from "../read-input.ts";

interface BookOptions {
  readonly prices?: string;
  readonly on?: string;
}

/** The price book that plans rest on; needs no server. */
export function registerPriceCommands(program: Command, contextOf: ContextOf): void {
  const price = program
    .command("price")
    .description("The dated, sourced prices that plans rest on, and a check of your own; needs no server")
    .addHelpText(
      "after",
      "\nExamples:\n  portolan price list --resource gpu_hour --product H100\n  portolan price check ours.yaml",
    );
  registerList(price, contextOf);
  registerShow(price, contextOf);
  registerFind(price, contextOf);
  registerCheck(price, contextOf);
}

type ListOptions = BookOptions &
  Omit<PriceFilter, "isStale" | "isConflicting"> & { readonly stale?: boolean; readonly conflicts?: boolean };

function registerList(price: Command, contextOf: ContextOf): void {
  withBook(
    price
      .command("list")
      .description("Prices that pass the filters, with age, conflicts and what the seller has"),
  )
    .addOption(new Option("--resource <name>", "what is paid for").choices(pricedResources))
    .option("--product <model>", "GPU model: A100 finds A100-40GB too")
    .addOption(new Option("--placement <place>", "where").choices(placements))
    .option("--region <name>", "us finds us-east-1, and what holds anywhere")
    .addOption(new Option("--pricing <model>", "how it is paid for").choices(pricingModels))
    .addOption(new Option("--certification <name>", "what the seller has").choices(certifications))
    .option("--stale", "only those that are too old")
    .option("--conflicts", "only those that another source contradicts")
    .addHelpText(
      "after",
      "\nExamples:\n  portolan price list --product H100 --pricing spot\n  portolan price list --conflicts --json",
    )
    .action(async (options: ListOptions, command: Command) => {
      const context = contextOf(command);
      const { prices, on, stale, conflicts, ...filter } = options;
      const { book, now } = await readBook(context, { prices, on });
      const found = searchPrices(
        book,
        { ...filter, ...(stale ? { isStale: true } : {}), ...(conflicts ? { isConflicting: true } : {}) },
        now,
      );
      context.output.result(found.map(viewJson), tableOf(found));
    });
}

function registerShow(price: Command, contextOf: ContextOf): void {
  withBook(price.command("show <id>").description("One price in full: source, age, conflicts, seller"))
    .addHelpText("after", "\nExample:\n  portolan price show gpu-h100-aws-2026")
    .action(async (id: string, options: BookOptions, command: Command) => {
      const context = contextOf(command);
      const { book, now } = await readBook(context, options);
      const all = searchPrices(book, {}, now);
      const view = all.find((one) => one.id === id);
      if (!view)
        throw badUsage(
          `the price book has no record ${JSON.stringify(id.slice(0, 80))}`,
          "List them with: portolan price list.",
        );
      const contradicting = all.filter((one) => view.conflicts.includes(one.id));
      context.output.result(viewJson(view), detailOf(view, contradicting));
    });
}

interface FindOptions extends BookOptions {
  readonly placement: (typeof placements)[number];
  readonly product?: string;
  readonly region?: string;
  readonly pricing?: (typeof pricingModels)[number];
  readonly currency: string;
}

function registerFind(price: Command, contextOf: ContextOf): void {
  withBook(
    price
      .command("find <resource>")
      .description("The price that a plan takes, or what is missing for that region, day and way to pay"),
  )
    .addOption(new Option("--placement <place>", "where").choices(placements).default("cloud"))
    .option("--product <model>", "GPU model")
    .option("--region <name>", "only prices of that region, or of any")
    .addOption(new Option("--pricing <model>", "how it is paid for").choices(pricingModels))
    .option("--currency <code>", "convert by a stated rate", "USD")
    .addHelpText(
      "after",
      "\nExample:\n  portolan price find gpu_hour --product H100 --region us --pricing spot",
    )
    .action(async (name: string, options: FindOptions, command: Command) => {
      const context = contextOf(command);
      const resource = pricedResources.find((known) => known === name);
      if (!resource)
        throw badUsage(
          `there is no resource ${JSON.stringify(name.slice(0, 60))}`,
          `Use one of: ${pricedResources.join(", ")}.`,
        );
      if (!/^[A-Z]{3}$/.test(options.currency))
        throw badUsage(
          `${JSON.stringify(options.currency.slice(0, 20))} is no currency`,
          "Write three capital letters: USD, EUR.",
        );
      const { book, now } = await readBook(context, options);
      const { placement, product, region, pricing, currency } = options;
      const chosen = findPrice(book, {
        resource,
        placement,
        currency,
        now,
        ...(product === undefined ? {} : { products: [product] }),
        ...(region === undefined ? {} : { region }),
        ...(pricing === undefined ? {} : { pricing }),
      });
      const { low, expected, high } = chosen.price;
      const range = { low: formatMoney(low), expected: formatMoney(expected), high: formatMoney(high) };
      context.output.result(
        { ...chosen, price: range },
        [
          `${resource}, ${placement}: ${range.expected} (${range.low} to ${range.high})`,
          `from ${chosen.records.join(", ")}`,
          ...chosen.warnings.map((warning) => `- ${warning}`),
        ].join("\n"),
      );
    });
}

function registerCheck(price: Command, contextOf: ContextOf): void {
  price
    .command("check <file>")
    .description(
      "Whether a price file of yours can be used: each fault with its line and mend, then what to look at",
    )
    .option("--on <day>", "as if it were that day, e.g. 2026-06-01")
    .addHelpText("after", "\nExample:\n  portolan price check our-prices.yaml")
    .action(async (file: string, options: { on?: string }, command: Command) => {
      const context = contextOf(command);
      const text = await readText(resolve(context.cwd, file));
      const own = parsePriceFile(text.text, text.path);
      const ids = new Set(own.records.map(({ id }) => id));
      const shipped = readShippedPrices();
      const replaced = shipped.records.filter(({ id }) => ids.has(id)).map(({ id }) => id);
      const findings = reviewPrices(mergePriceBooks([shipped, own]), dayOf(options.on)).filter(
        ({ records, kind }) => kind === "currency_mix" || records.some((id) => ids.has(id)),
      );
      context.output.result(
        { file: text.path, records: own.records.length, replaced, findings },
        [
          `${file} can be used: ${own.records.length} prices, ${own.exchange.length} rates, ${own.services?.length ?? 0} sellers`,
          ...(replaced.length > 0 ? [`replaces ${replaced.join(", ")}`] : []),
          ...findings.map(findingText),
        ].join("\n"),
      );
    });
}

function withBook(command: Command): Command {
  return command
    .option("--prices <file>", "your own prices: they win over the shipped ones")
    .option("--on <day>", "as if it were that day, e.g. 2026-06-01");
}

async function readBook(
  context: CliContext,
  options: { prices?: string | undefined; on?: string | undefined },
) {
  const shipped = readShippedPrices();
  const now = dayOf(options.on);
  if (options.prices === undefined) return { book: shipped, now };
  const own = await readText(resolve(context.cwd, options.prices));
  return { book: mergePriceBooks([shipped, parsePriceFile(own.text, own.path)]), now };
}

function dayOf(text: string | undefined): EpochMicros {
  if (text === undefined) return systemClock.now();
  try {
    if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) throw new RangeError(text);
    return parseInstant(`${text}T00:00:00Z`);
  } catch {
    throw badUsage(`--on ${text.slice(0, 40)} is no day`, "Write it as 2026-06-01.");
  }
}

function viewJson({ staleOn, ...view }: PriceView) {
  return { ...view, pricing: view.pricing ?? "on_demand", staleOn: formatInstant(staleOn).slice(0, 10) };
}

const headers = ["id", "resource", "price", "how", "where", "as of", "confidence", "look at"];

function tableOf(views: readonly PriceView[]): string {
  if (views.length === 0) return "No price passes. Fewer filters find more.";
  const rows = views.map((view) => [
    view.id,
    view.resource,
    `${view.price}${view.low || view.high ? ` (${view.low ?? view.price} to ${view.high ?? view.price})` : ""} ${view.currency}`,
    view.pricing ?? "on_demand",
    view.region,
    view.asOf,
    view.confidence,
    [view.isStale ? "stale" : "", view.conflicts.length > 0 ? `contradicted by ${view.conflicts.length}` : ""]
      .filter(Boolean)
      .join(", "),
  ]);
  const widths = headers.map((header, column) =>
    Math.max(header.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  return [headers, ...rows]
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function detailOf(view: PriceView, contradicting: readonly PriceView[]): string {
  const lines: [string, string][] = [
    [
      "price",
      `${view.price} ${view.currency} for ${view.resource}${view.product ? `, ${view.product}` : ""}`,
    ],
    ["range", `${view.low ?? view.price} to ${view.high ?? view.price}`],
    ["paid", view.pricing ?? "on_demand"],
    ["seller", view.provider],
    ["where", `${view.placements.join(", ")}; region ${view.region}`],
    ["as of", `${view.asOf}, valid for ${view.validFor}${view.isStale ? ": STALE" : ""}`],
    ["source", `${view.source} (${view.confidence})`],
    ...(view.why === undefined ? [] : [["why", view.why] as [string, string]]),
    ["promised", view.offer.availability ?? "no availability"],
    ["attested", certificationsText(view)],
    ...contradicting.map((other): [string, string] => [
      "against",
      `${other.id}: ${other.price} ${other.currency} of ${other.asOf}, ${other.source}`,
    ]),
  ];
  return [view.id, ...lines.map(([name, text]) => `  ${name.padEnd(9)} ${text}`)].join("\n");
}

function findingText({ kind, detail, mend }: PriceFinding): string {
  return `${kind.replaceAll("_", " ").padEnd(18)} ${detail}\n${" ".repeat(19)}${mend}`;
}
