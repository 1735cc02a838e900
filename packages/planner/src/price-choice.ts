import {
  type Currency,
  compareMoney,
  type EpochMicros,
  formatMoney,
  type Money,
  multiplyMoney,
  PortolanError,
} from "@portolan/kernel";
import {
  findRate,
  type Placement,
  type PriceBook,
  type PricedResource,
  type PriceRecord,
  type PricingModel,
  priceOf,
  staleFrom,
} from "./price-book.ts";
import type { Cost } from "./range.ts";

/** The price that a plan used, with the records it rests on. */
export interface ChosenPrice {
  readonly resource: PricedResource;
  readonly placement: Placement;
  readonly price: Cost;
  readonly records: readonly string[];
  readonly warnings: readonly string[];
}

export interface PriceQuestion {
  readonly resource: PricedResource;
  readonly placement: Placement;
  /** GPU models that would do; the cheapest of them is taken per case. */
  readonly products?: readonly string[];
  readonly currency: Currency;
  readonly now: EpochMicros;
  /** Absent: on demand; own machines too where the placement is one's own. */
  readonly pricing?: PricingModel;
}

/** Whether a record answers a question, whatever its age. A40 is not A100, and A100 is A100-40GB and A100-80GB. */
export function fits(record: PriceRecord, question: Omit<PriceQuestion, "currency" | "now">): boolean {
  const { resource, placement, products, pricing } = question;
  const model = record.pricing ?? "on_demand";
  const product = record.product ?? "";
  return (
    record.resource === resource &&
    record.placements.includes(placement) &&
    (products === undefined ||
      product === "any" ||
      products.some((wanted) => product === wanted || product.startsWith(`${wanted}-`))) &&
    (pricing === undefined
      ? model === "on_demand" || (model === "owned" && placement !== "cloud")
      : model === pricing)
  );
}

/**
 * One price with its range out of all records that fit: the median is expected, the extremes bound it. Fresh records
 * are taken when there is one; otherwise stale ones, with a warning. Conflicts between sources widen the range and are
 * named.
 *
 * @throws PortolanError `planner.price_missing` when nothing fits: a plan never makes a price up
 */
export function choosePrice(book: PriceBook, question: PriceQuestion): ChosenPrice {
  const { resource, placement, products, now } = question;
  const listed = book.records.filter((record) => fits(record, question));
  // Who states what he pays himself is not averaged with a stranger's list price.
  const own = listed.filter((record) => record.confidence === "own");
  const fitting = own.length > 0 ? own : listed;
  const fresh = fitting.filter((record) => staleFrom(record) > now);
  const used = fresh.length > 0 ? fresh : fitting;
  if (used.length === 0) {
    throw new PortolanError("planner.price_missing", {
      detail: `the price book has no ${resource} for ${placement}${products ? ` (${products.join(", ")})` : ""}${question.pricing ? `, ${question.pricing}` : ""}`,
      mend: "Add a record with its date and source to a price file of your own.",
    });
  }
  const warnings = [
    ...(fresh.length === 0
      ? used.map((record) => `${record.id} is of ${record.asOf} and stale (valid for ${record.validFor})`)
      : []),
    ...used.flatMap((record) =>
      (record.conflictsWith ?? [])
        .filter((other) => record.id < other || !names(used, other, record.id))
        .map((other) => `${record.id} contradicts ${other}`),
    ),
    ...used
      .filter((record) => record.confidence === "assumed")
      .map((record) => `${record.id} is assumed: ${record.why ?? "nobody states it"}`),
    ...(placement !== "cloud" &&
    used.some((record) => record.confidence === "code_default" && record.resource !== "gpu_hour")
      ? [`${resource} for ${placement} is a rented machine's price; state your own in a price file`]
      : []),
  ];
  const price = spread(used, (amount) => convert(book, amount, question.currency));
  return { resource, placement, price, records: used.map((record) => record.id), warnings };
}

/** The currency of the plan: the charter's, when every price can be converted into it; else the book's own. */
export function planCurrency(book: PriceBook, wanted: Currency): Currency {
  const others = new Set(
    book.records.map((record) => record.currency).filter((currency) => currency !== wanted),
  );
  return [...others].every((currency) => findRate(book, currency, wanted))
    ? wanted
    : (book.records[0]?.currency ?? wanted);
}

/** A conflict that both sides name is told once. */
function names(records: readonly PriceRecord[], from: string, to: string): boolean {
  return records.some(({ id, conflictsWith }) => id === from && conflictsWith?.includes(to));
}

/** In one currency first: amounts of two cannot be put in order. */
function spread(records: readonly PriceRecord[], toOne: (amount: Money) => Money): Cost {
  const sorted = (pick: (record: PriceRecord) => string) =>
    records.map((record) => toOne(priceOf(record, pick(record)))).toSorted(compareMoney);
  const expected = sorted((record) => record.price);
  const low = sorted((record) => record.low ?? record.price)[0];
  const high = sorted((record) => record.high ?? record.price).at(-1);
  const middle = expected[Math.floor((expected.length - 1) / 2)];
  if (!low || !middle || !high) throw new PortolanError("planner.price_missing");
  return { low, expected: middle, high };
}

function convert(book: PriceBook, amount: Money, currency: Currency): Money {
  if (amount.currency === currency) return amount;
  const rate = findRate(book, amount.currency, currency);
  if (!rate) {
    throw new PortolanError("planner.price_missing", {
      detail: `${formatMoney(amount)} cannot be converted: no ${amount.currency} to ${currency} rate is stated`,
      mend: "Add it under exchange in a price file, with its date and source.",
    });
  }
  const [whole = "0", fraction = ""] = rate.rate.split(".");
  return { ...multiplyMoney(amount, BigInt(whole + fraction), 10n ** BigInt(fraction.length)), currency };
}
