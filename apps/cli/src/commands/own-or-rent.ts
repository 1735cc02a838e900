import { resolve } from "node:path";
import { formatMoney, money, systemClock } from "@portolan/kernel";
import type { Cost, OwnershipAnswer, OwnershipQuestion, Quantity } from "@portolan/planner/contract";
import { choosePrice, mergePriceBooks, ownOrRent, parsePriceFile, toCents } from "@portolan/planner/policy";
import { readShippedPrices } from "@portolan/planner/prices";
import type { Command } from "commander";
import type { CliContext } from "../context.ts";
import { ownershipPicture } from "../ownership/ownership-picture.ts";
import type { ContextOf } from "../program.ts";
import { badUsage, readInput } from "../read-input.ts";
import { writeNew } from "../write-new.ts";

interface Options {
  readonly cards: string;
  readonly hours: string;
  readonly peak?: string;
  readonly gpu: string;
  readonly cardPrice?: string;
  readonly cloudHour?: string;
  readonly currency: string;
  readonly server: string;
  readonly life: string;
  readonly watts: string;
  readonly kwh?: string;
  readonly running: string;
  readonly reserved: string;
  readonly spot: string;
  readonly interrupted: string;
  readonly prices?: string;
  readonly picture?: string;
  readonly force?: boolean;
}

const range = "; LOW..EXPECTED..HIGH, or one figure";

/** Owning cards beside renting them; needs no server. */
export function registerOwnOrRentCommand(program: Command, contextOf: ContextOf): void {
  program
    .command("own-or-rent")
    .description(
      "Cards that are bought beside the same work rented on demand, reserved, on spot machines, or both: cost over their life, and when the purchase has paid for itself; needs no server",
    )
    .requiredOption("--cards <number>", "cards that work all month, as far as --hours says")
    .requiredOption("--hours <hours>", `hours of a month (730) in which each of them works${range}`)
    .option("--peak <cards:hours>", "further cards, and the hours of a month in which they work, e.g. 4:50")
    .option("--gpu <model>", "model of the card, for the price of renting it", "A100")
    .option("--card-price <money>", `what one card costs, in the place of the price book${range}`)
    .option("--cloud-hour <money>", `a card for an hour on demand, in the place of the price book${range}`)
    .option("--currency <code>", "of every amount here", "USD")
    .option(
      "--server <factor>",
      `a card with its share of server and network, over its own price${range}`,
      "1.3..1.4..1.6",
    )
    .option("--life <months>", "after which cards are worth nothing", "36")
    .option("--watts <number>", `of a card with its share of server and cooling${range}`, "700..980..1200")
    .option("--kwh <money>", `a kilowatt hour, in the place of the price book${range}`)
    .option("--running <money>", `room, support and people for all of them, a month${range}`, "0")
    .option("--reserved <share>", `off the price on demand, for all hours of a year${range}`, "0.3..0.4..0.5")
    .option(
      "--spot <share>",
      `off the price on demand, where one can be interrupted${range}`,
      "0.5..0.65..0.8",
    )
    .option(
      "--interrupted <hours:minutes:minutes>",
      `mean hours between interruptions; minutes of a checkpoint; minutes to go on${range}`,
      "12..24..48:1..3..6:3..6..12",
    )
    .option("--prices <file>", "your own prices: they win over the shipped ones")
    .option("--picture <file.svg>", "draw the cost of each way over the life")
    .option("--force", "overwrite the file that is there")
    .addHelpText(
      "after",
      "\nWhat has a default is an assumption: discounts and interruptions are published ranges, watts and the share of server and network are common ones. Say your own.\n\nExamples:\n  portolan own-or-rent --cards 8 --hours 400 --card-price 35000 --cloud-hour 4.5 --server 1.4 --kwh 0.12 --running 3000\n  portolan own-or-rent --cards 16 --hours 300..500..650 --peak 4:50 --gpu H100 --card-price 25000..30000..40000 --picture own.svg",
    )
    .action(async (options: Options, command: Command) => {
      const context = contextOf(command);
      const { question, records } = await questionOf(context, options);
      const answer = ownOrRent(question);
      if (options.picture !== undefined)
        await writeNew(
          resolve(context.cwd, options.picture),
          ownershipPicture(question, answer),
          options.force === true,
        );
      context.output.result(jsonOf(question, answer, records), textOf(question, answer, records));
    });
}

async function questionOf(
  context: CliContext,
  options: Options,
): Promise<{ readonly question: OwnershipQuestion; readonly records: readonly string[] }> {
  const { currency } = options;
  const peak = options.peak?.split(":") ?? ["0", "0"];
  if (peak.length !== 2) throw badUsage("--peak names cards and hours", "Say --peak 4:50.");
  const book = await bookOf(context, options);
  const used: string[] = [];
  const priced = (option: string, stated: string | undefined, asked: Asked): Cost => {
    if (stated !== undefined) return costOf(option, stated, currency);
    const { price, records } = choosePrice(book, { ...asked, currency, now: systemClock.now() });
    used.push(...records);
    return price;
  };
  const products = [options.gpu];
  const question: OwnershipQuestion = {
    currency,
    cards: wholeIn("--cards", options.cards, 1, 1_000_000),
    usedHours: quantityOf("--hours", options.hours, 0, 730),
    peakCards: wholeIn("--peak", peak[0] ?? "", 0, 1_000_000),
    peakHours: quantityOf("--peak", peak[1] ?? "", 0, 730),
    cardPrice: priced("--card-price", options.cardPrice, {
      resource: "gpu_purchase",
      placement: "on_prem",
      products,
    }),
    serverFactor: quantityOf("--server", options.server, 1, 100),
    lifeMonths: wholeIn("--life", options.life, 1, 600),
    watts: quantityOf("--watts", options.watts, 0, 1e5),
    kilowattHour: priced("--kwh", options.kwh, { resource: "power_kwh", placement: "on_prem" }),
    runningMonthly: costOf("--running", options.running, currency),
    cloudHour: priced("--cloud-hour", options.cloudHour, {
      resource: "gpu_hour",
      placement: "cloud",
      products,
    }),
    reservedDiscount: quantityOf("--reserved", options.reserved, 0, 1),
    spotDiscount: quantityOf("--spot", options.spot, 0, 1),
    interruptions: interruptionsOf(options.interrupted),
  };
  return { question, records: used };
}

/** The low case has the fewest of them, and the shortest. */
function interruptionsOf(text: string): OwnershipQuestion["interruptions"] {
  const [every, checkpoint, restart, ...more] = text.split(":");
  if (every === undefined || checkpoint === undefined || restart === undefined || more.length > 0)
    throw badUsage("--interrupted names hours and two times minutes", "Say --interrupted 24:3:6.");
  const hours = quantityOf("--interrupted", every, 1e-3, 1e6);
  const [saves, begins] = [checkpoint, restart].map((one) => quantityOf("--interrupted", one, 1e-3, 1e6));
  const of = (between: number, saving = 0, beginning = 0) => ({
    every: between,
    checkpoint: saving / 60,
    restart: beginning / 60,
  });
  return {
    low: of(hours.high, saves?.low, begins?.low),
    expected: of(hours.expected, saves?.expected, begins?.expected),
    high: of(hours.low, saves?.high, begins?.high),
  };
}

type Asked = Pick<Parameters<typeof choosePrice>[1], "resource" | "placement" | "products">;

/** The shipped prices, and one's own that win over them. */
async function bookOf(context: CliContext, { prices }: Options): Promise<Parameters<typeof choosePrice>[0]> {
  const shipped = readShippedPrices();
  return prices === undefined
    ? shipped
    : mergePriceBooks([shipped, parsePriceFile(await readInput(context, prices), prices)]);
}

function rangeOf(option: string, text: string): readonly [string, string, string] {
  const parts = text.split("..");
  const [low = "", expected = low, high = expected] = parts;
  if (parts.length === 1 || parts.length === 3) return [low, expected, high];
  throw badUsage(
    `${option} ${JSON.stringify(text.slice(0, 40))} is no range`,
    "Say one figure, or LOW..EXPECTED..HIGH.",
  );
}

function quantityOf(option: string, text: string, least: number, most: number): Quantity {
  const [low, expected, high] = rangeOf(option, text).map((one) => numberIn(option, one, least, most));
  return ordered(option, { low: low ?? 0, expected: expected ?? 0, high: high ?? 0 }, (a, b) => a - b);
}

function costOf(option: string, text: string, currency: string): Cost {
  const [low, expected, high] = rangeOf(option, text);
  if ([low, expected, high].some((one) => !/^\d{1,12}(\.\d{1,9})?$/.test(one)))
    throw badUsage(
      `${option} ${JSON.stringify(text.slice(0, 40))} is no amount`,
      "Say --card-price 35000, or 30000..35000..40000.",
    );
  const cost = {
    low: money(low, currency),
    expected: money(expected, currency),
    high: money(high, currency),
  };
  return ordered(option, cost, (a, b) => (a.nanos < b.nanos ? -1 : a.nanos > b.nanos ? 1 : 0));
}

function ordered<T>(
  option: string,
  of: { readonly low: T; readonly expected: T; readonly high: T },
  compare: (a: T, b: T) => number,
): { readonly low: T; readonly expected: T; readonly high: T } {
  if (compare(of.low, of.expected) <= 0 && compare(of.expected, of.high) <= 0) return of;
  throw badUsage(`${option} is not in order`, "Say the least figure first: LOW..EXPECTED..HIGH.");
}

function numberIn(option: string, text: string, least: number, most: number): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw badUsage(
    `${option}: ${JSON.stringify(text.slice(0, 40))} is no number of ${least} to ${most}`,
    "See the examples of portolan own-or-rent --help.",
  );
}

function wholeIn(option: string, text: string, least: number, most: number): number {
  const value = numberIn(option, text, least, most);
  if (Number.isInteger(value)) return value;
  throw badUsage(`${option} ${text} is no whole number`, "See the examples of portolan own-or-rent --help.");
}

function textsOf({ low, expected, high }: Cost): { low: string; expected: string; high: string } {
  return { low: formatMoney(low), expected: formatMoney(expected), high: formatMoney(high) };
}

function monthsText(hundredths: bigint | undefined): string | null {
  if (hundredths === undefined) return null;
  return `${hundredths / 100n}.${String(hundredths % 100n).padStart(2, "0")}`;
}

function jsonOf(question: OwnershipQuestion, answer: OwnershipAnswer, records: readonly string[]) {
  const { cardPrice, kilowattHour, runningMonthly, cloudHour, ...figures } = question;
  const { low, expected, high } = answer.breakEvenMonths;
  return {
    question: {
      ...figures,
      cardPrice: textsOf(cardPrice),
      kilowattHour: textsOf(kilowattHour),
      runningMonthly: textsOf(runningMonthly),
      cloudHour: textsOf(cloudHour),
      priceRecords: records,
    },
    ways: answer.ways.map(({ upfront, monthly, overLife, ...way }) => ({
      ...way,
      upfront: textsOf(upfront),
      monthly: textsOf(monthly),
      overLife: textsOf(overLife),
    })),
    least: answer.least,
    breakEvenMonths: { low: monthsText(low), expected: monthsText(expected), high: monthsText(high) },
    breakEvenUse: answer.breakEvenUse,
    spot: answer.spot,
  };
}

function textOf(question: OwnershipQuestion, answer: OwnershipAnswer, records: readonly string[]): string {
  const { breakEvenMonths: months, breakEvenUse: use, ways, spot } = answer;
  const money = (cost: Cost): string =>
    [cost.low, cost.expected, cost.high].map((one) => toCents(formatMoney(one)).padStart(18)).join("");
  const until = (hundredths: bigint | undefined) => monthsText(hundredths) ?? "never";
  const share = (of: number) => (of > 1 ? "never" : `${(100 * of).toFixed(0)} %`);
  const heading = ["low", "expected", "high"].map((word) => word.padStart(18)).join("");
  return [
    `${question.cards} cards, ${question.usedHours.expected} hours a month each${question.peakCards > 0 ? `, and ${question.peakCards} more for ${question.peakHours.expected} hours` : ""}`,
    ...(records.length > 0 ? [`prices: ${records.join(", ")}`] : []),
    "",
    `${"a month".padEnd(12)}${heading}`,
    ...ways.map(({ name, monthly }) => `${name.replace("_", " ").padEnd(12)}${money(monthly)}`),
    "",
    `${`${question.lifeMonths} months`.padEnd(12)}${heading}`,
    ...ways.map(({ name, overLife }) => `${name.replace("_", " ").padEnd(12)}${money(overLife)}`),
    "",
    ...ways.map(({ name, what }) => `  ${name.replace("_", " ")}: ${what}`),
    "",
    `The purchase of ${question.cards + question.peakCards} cards has paid for itself after ${until(months.low)} / ${until(months.expected)} / ${until(months.high)} months beside renting on demand (best, expected, worst); never: not within their ${question.lifeMonths} months.`,
    `Owning ${question.peakCards > 0 ? `the ${question.cards} cards that work all month` : "them"} costs what renting does at a use of ${share(use.low)} / ${share(use.expected)} / ${share(use.high)} of all hours.`,
    `On spot machines: a checkpoint every ${spot.checkpointHours.expected.toFixed(1)} hours, ${spot.paidPerHour.low.toFixed(3)} / ${spot.paidPerHour.expected.toFixed(3)} / ${spot.paidPerHour.high.toFixed(3)} hours paid for one of work.`,
    `Least over ${question.lifeMonths} months, for work that may not be interrupted: ${answer.least.replace("_", " ")}.`,
  ].join("\n");
}
