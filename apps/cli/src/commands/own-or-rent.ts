import { resolve } from "node:path";
import { formatMoney } from "@portolan/kernel";
import type { Cost, OwnershipAnswer, OwnershipQuestion } from "@portolan/planner/contract";
import { ownOrRent, toCents } from "@portolan/planner/policy";
import type { Command } from "commander";
import type { CliContext } from "../context.ts";
import {
  bookOf,
  interruptionsOf,
  type PriceNotes,
  priceLines,
  pricing,
  textsOf,
} from "../ownership/card-prices.ts";
import { ownershipPicture } from "../ownership/ownership-picture.ts";
import type { ContextOf } from "../program.ts";
import { costOf, quantityOf, range, wholeIn } from "../ranges.ts";
import { badUsage } from "../read-input.ts";
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
      const { question, prices } = await questionOf(context, options);
      const answer = ownOrRent(question);
      if (options.picture !== undefined)
        await writeNew(
          resolve(context.cwd, options.picture),
          ownershipPicture(question, answer),
          options.force === true,
        );
      context.output.result(jsonOf(question, answer, prices), textOf(question, answer, prices));
    });
}

async function questionOf(
  context: CliContext,
  options: Options,
): Promise<{ readonly question: OwnershipQuestion; readonly prices: PriceNotes }> {
  const { currency } = options;
  const peak = options.peak?.split(":") ?? ["0", "0"];
  if (peak.length !== 2) throw badUsage("--peak names cards and hours", "Say --peak 4:50.");
  const { priced, notes } = pricing(await bookOf(context, options.prices), currency);
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
  return { question, prices: notes() };
}

function monthsText(hundredths: bigint | undefined): string | null {
  if (hundredths === undefined) return null;
  return `${hundredths / 100n}.${String(hundredths % 100n).padStart(2, "0")}`;
}

function jsonOf(question: OwnershipQuestion, answer: OwnershipAnswer, prices: PriceNotes) {
  const { cardPrice, kilowattHour, runningMonthly, cloudHour, ...figures } = question;
  const { low, expected, high } = answer.breakEvenMonths;
  return {
    question: {
      ...figures,
      cardPrice: textsOf(cardPrice),
      kilowattHour: textsOf(kilowattHour),
      runningMonthly: textsOf(runningMonthly),
      cloudHour: textsOf(cloudHour),
      priceRecords: prices.records,
      priceWarnings: prices.warnings,
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

function textOf(question: OwnershipQuestion, answer: OwnershipAnswer, prices: PriceNotes): string {
  const { breakEvenMonths: months, breakEvenUse: use, ways, spot } = answer;
  const money = (cost: Cost): string =>
    [cost.low, cost.expected, cost.high].map((one) => toCents(formatMoney(one)).padStart(18)).join("");
  const until = (hundredths: bigint | undefined) => monthsText(hundredths) ?? "never";
  const share = (of: number) => (of > 1 ? "never" : `${(100 * of).toFixed(0)} %`);
  const heading = ["low", "expected", "high"].map((word) => word.padStart(18)).join("");
  return [
    `${question.cards} cards, ${question.usedHours.expected} hours a month each${question.peakCards > 0 ? `, and ${question.peakCards} more for ${question.peakHours.expected} hours` : ""}`,
    ...priceLines(prices),
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
