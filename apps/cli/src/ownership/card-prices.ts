import { formatMoney, systemClock } from "@portolan/kernel";
import type { Cost, OwnershipQuestion, PriceBook } from "@portolan/planner/contract";
import { choosePrice, mergePriceBooks, parsePriceFile } from "@portolan/planner/policy";
import { readShippedPrices } from "@portolan/planner/prices";
import type { CliContext } from "../context.ts";
import { costOf, quantityOf } from "../ranges.ts";
import { badUsage, readInput } from "../read-input.ts";

// What commands that set ways to have cards side by side ask of the price book and the command line.

type Asked = Pick<Parameters<typeof choosePrice>[1], "resource" | "placement" | "products" | "pricing">;

/** What prices of a book rest on: its records, and what is wrong with them (stale, in conflict, assumed). */
export interface PriceNotes {
  readonly records: readonly string[];
  readonly warnings: readonly string[];
}

/** Prices as they are stated, or else as the book has them, whose records are noted. */
export function pricing(
  book: PriceBook,
  currency: string,
): {
  /** Of the prices that were asked until then. */
  readonly notes: () => PriceNotes;
  readonly priced: (option: string, stated: string | undefined, asked: Asked) => Cost;
} {
  const records = new Set<string>();
  const warnings = new Set<string>();
  return {
    notes: () => ({ records: [...records], warnings: [...warnings] }),
    priced: (option, stated, asked) => {
      if (stated !== undefined) return costOf(option, stated, currency);
      const chosen = choosePrice(book, { ...asked, currency, now: systemClock.now() });
      for (const record of chosen.records) records.add(record);
      for (const warning of chosen.warnings) warnings.add(warning);
      return chosen.price;
    },
  };
}

/** Lines for a person; none where every price was stated. */
export function priceLines({ records, warnings }: PriceNotes): string[] {
  return [
    ...(records.length > 0 ? [`prices: ${records.join(", ")}`] : []),
    ...warnings.map((warning) => `  ! ${warning}`),
  ];
}

/** The shipped prices, and one's own that win over them. */
export async function bookOf(context: CliContext, prices: string | undefined): Promise<PriceBook> {
  const shipped = readShippedPrices();
  return prices === undefined
    ? shipped
    : mergePriceBooks([shipped, parsePriceFile(await readInput(context, prices), prices)]);
}

/** The low case has the fewest of them, and the shortest. */
export function interruptionsOf(text: string): OwnershipQuestion["interruptions"] {
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

/** Exact amounts as text, for JSON. */
export function textsOf({ low, expected, high }: Cost): { low: string; expected: string; high: string } {
  return { low: formatMoney(low), expected: formatMoney(expected), high: formatMoney(high) };
}
