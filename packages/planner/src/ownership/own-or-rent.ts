import {
  addMoney,
  type Currency,
  compareMoney,
  type Money,
  multiplyMoney,
  subtractMoney,
} from "@portolan/kernel";
import { hoursPerMonth } from "../assumptions.ts";
import {
  type Cost,
  combine,
  costOf,
  exactly,
  mapRange,
  type Quantity,
  type Range,
  sumCosts,
  times,
} from "../range.ts";
import { checkpointEvery, type Interruptions, paidPerHourOfWork } from "./interruptions.ts";

/** Cards that are bought or rented, and what is done on them. Every figure has its own range. */
export interface OwnershipQuestion {
  readonly currency: Currency;
  /** That are busy all month, as far as `usedHours` says. */
  readonly cards: number;
  /** Hours of a month (730) in which each of them works. */
  readonly usedHours: Quantity;
  /** Further cards that work only now and then, and the hours of a month in which they do. */
  readonly peakCards: number;
  readonly peakHours: Quantity;
  readonly cardPrice: Cost;
  /** What a card costs with its share of server and network, over its own price. */
  readonly serverFactor: Quantity;
  /** After so many months it is worth nothing. */
  readonly lifeMonths: number;
  /** Of a card with its share of server and cooling while it works. */
  readonly watts: Quantity;
  readonly kilowattHour: Cost;
  /** Room, support and people for all of them, a month. */
  readonly runningMonthly: Cost;
  /** A card for an hour, on demand. */
  readonly cloudHour: Cost;
  /** Share off the price on demand for whoever pays for all hours of a year or more. */
  readonly reservedDiscount: Quantity;
  /** Share off the price on demand for whoever can be interrupted; `interruptions` in hours. */
  readonly spotDiscount: Quantity;
  /** `low`: the fewest and shortest. */
  readonly interruptions: Range<Interruptions>;
}

export const ways = ["on_demand", "reserved", "spot", "own", "hybrid"] as const;
export type WayName = (typeof ways)[number];

/** One way to have the same work done. */
export interface Way {
  readonly name: WayName;
  readonly what: string;
  readonly upfront: Cost;
  readonly monthly: Cost;
  /** Upfront and monthly, for the life of the cards. */
  readonly overLife: Cost;
}

export interface OwnershipAnswer {
  readonly ways: readonly Way[];
  /** Of the ways that do all of the work whenever it comes (spot does not), the one with the least expected cost over the life of the cards. */
  readonly least: WayName;
  /**
   * Months until the purchase of all cards has paid for itself beside renting on demand, in hundredths, rounded up; `undefined`: not within their life.
   * What is written off is the purchase itself, and no cost of a month besides. `low` is the best case for owning.
   */
  readonly breakEvenMonths: Range<bigint | undefined>;
  /** Share of a month that the cards that work all month have to work for owning to cost what renting does, write-off included; above 1: never. `low` is the best case for owning. */
  readonly breakEvenUse: Quantity;
  /** Hours between checkpoints on spot machines, and hours that are paid for one of work. */
  readonly spot: { readonly checkpointHours: Quantity; readonly paidPerHour: Quantity };
}

/** Owning beside renting, in all its ways. Pure. */
export function ownOrRent(question: OwnershipQuestion): OwnershipAnswer {
  const { cards, peakCards, currency, cloudHour, usedHours, peakHours, interruptions } = question;
  const base = times(usedHours, cards);
  const peak = times(peakHours, peakCards);
  const work = combine(base, peak, (a, b) => a + b);
  const nothing = costOf(cloudHour, exactly(0));
  const paid = mapRange(interruptions, (of) => paidPerHourOfWork(of));
  const spotHour = discounted(cloudHour, question.spotDiscount);
  const reservedHour = discounted(cloudHour, question.reservedDiscount);
  const rented = (hour: Cost, hours: Quantity) => costOf(hour, hours);
  const all = cards + peakCards;
  const own = (count: number, hours: Quantity): Pick<Way, "upfront" | "monthly"> => ({
    upfront: purchaseOf(question, count),
    monthly: runningOf(question, hours),
  });
  const hybrid = own(cards, base);
  const options: Omit<Way, "overLife">[] = [
    {
      name: "on_demand",
      what: "all of it rented by the hour",
      upfront: nothing,
      monthly: rented(cloudHour, work),
    },
    {
      name: "reserved",
      what: `${all} cards rented for all hours`,
      upfront: nothing,
      monthly: rented(reservedHour, exactly(all * hoursPerMonth)),
    },
    {
      name: "spot",
      what: `rented while nobody bids more, ${paid.expected.toFixed(2)} hours paid for one of work`,
      upfront: nothing,
      monthly: rented(spotHour, times(work, paid)),
    },
    { name: "own", what: `${all} cards bought`, ...own(all, work) },
    ...(peakCards > 0
      ? [
          {
            name: "hybrid" as const,
            what: `${cards} cards bought, peaks on ${peakCards} rented by the hour`,
            upfront: hybrid.upfront,
            monthly: sumCosts([hybrid.monthly, rented(cloudHour, peak)], currency),
          },
        ]
      : []),
  ];
  const found = options.map((way) => ({ ...way, overLife: lifeOf(way, question) }));
  return {
    ways: found,
    least: leastOf(found),
    breakEvenMonths: mapRange(breakEven(found), (months) =>
      months !== undefined && months <= BigInt(question.lifeMonths) * 100n ? months : undefined,
    ),
    breakEvenUse: useToBreakEven(question),
    spot: { checkpointHours: mapRange(interruptions, (of) => checkpointEvery(of)), paidPerHour: paid },
  };
}

/** Off a price, case by case: the low price takes the high discount. */
function discounted(hour: Cost, discount: Quantity): Cost {
  const left = { low: 1 - discount.high, expected: 1 - discount.expected, high: 1 - discount.low };
  return costOf(hour, left);
}

function purchaseOf({ cardPrice, serverFactor }: OwnershipQuestion, cards: number): Cost {
  return costOf(cardPrice, times(serverFactor, cards));
}

/** A month of running what is owned; nothing of it is the purchase. */
function runningOf(
  { watts, kilowattHour, runningMonthly, currency }: OwnershipQuestion,
  hours: Quantity,
): Cost {
  const power = costOf(
    kilowattHour,
    combine(watts, hours, (w, h) => (w * h) / 1000),
  );
  return sumCosts([power, runningMonthly], currency);
}

function lifeOf(
  { upfront, monthly }: Omit<Way, "overLife">,
  { lifeMonths, currency }: OwnershipQuestion,
): Cost {
  return sumCosts([upfront, costOf(monthly, exactly(lifeMonths))], currency);
}

function leastOf(found: readonly Way[]): WayName {
  const certain = found.filter(({ name }) => name !== "spot");
  const [first, ...others] = certain;
  return others.reduce(
    (best, way) => (compareMoney(way.overLife.expected, best.overLife.expected) < 0 ? way : best),
    first ?? ({ name: "on_demand" } as Way),
  ).name;
}

function breakEven(found: readonly Way[]): OwnershipAnswer["breakEvenMonths"] {
  const own = found.find(({ name }) => name === "own");
  const rent = found.find(({ name }) => name === "on_demand");
  if (!own || !rent) return { low: undefined, expected: undefined, high: undefined };
  return {
    low: monthsUntil(own.upfront.low, rent.monthly.high, own.monthly.low),
    expected: monthsUntil(own.upfront.expected, rent.monthly.expected, own.monthly.expected),
    high: monthsUntil(own.upfront.high, rent.monthly.low, own.monthly.high),
  };
}

/** In hundredths of a month, rounded up: until then it has not. */
function monthsUntil(purchase: Money, rentMonthly: Money, ownMonthly: Money): bigint | undefined {
  const { nanos: saved } = subtractMoney(rentMonthly, ownMonthly);
  return saved <= 0n ? undefined : (purchase.nanos * 100n + saved - 1n) / saved;
}

/**
 * u at which cards · 730 · u · rent = running + power · u + purchase / life. Power rises with use; what is left is a straight line.
 */
function useToBreakEven(question: OwnershipQuestion): Quantity {
  const { cards, watts, kilowattHour, runningMonthly, cloudHour, lifeMonths } = question;
  const purchase = purchaseOf(question, cards);
  const number = (amount: Money): number => Number(amount.nanos) / 1e9;
  const at = (own: "low" | "expected" | "high", rent: "low" | "expected" | "high"): number => {
    const hours = cards * hoursPerMonth;
    const fixed = number(addMoney(runningMonthly[own], divided(purchase[own], lifeMonths)));
    const perUse = hours * (number(cloudHour[rent]) - (watts[own] / 1000) * number(kilowattHour[own]));
    return perUse > 0 ? fixed / perUse : Number.POSITIVE_INFINITY;
  };
  return { low: at("low", "high"), expected: at("expected", "expected"), high: at("high", "low") };
}

function divided(amount: Money, parts: number): Money {
  return multiplyMoney(amount, 1n, BigInt(parts));
}
