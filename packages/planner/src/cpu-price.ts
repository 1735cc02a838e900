import type { CharterDocument } from "@portolan/charter/contract";
import { termsOf } from "@portolan/charter/policy";
import { type EpochMicros, type Money, multiplyMoney } from "@portolan/kernel";
import { assumptionsOf } from "./assumptions.ts";
import { choosePlacement } from "./placement-choice.ts";
import type { PriceBook } from "./price-book.ts";
import { choosePrice, planCurrency } from "./price-choice.ts";

export interface CpuPrice {
  /** A core for an hour, expected. */
  readonly cpuHour: Money;
  /** CPU time of one prediction that the plan rests on, milliseconds, expected. */
  readonly realTimeCpuMs: number;
}

/** What the plan takes for inference where the charter lets it be made; `undefined` where it lets it be nowhere. Pure. */
export function cpuPrice(document: CharterDocument, book: PriceBook, now: EpochMicros): CpuPrice | undefined {
  const { chosen: placement } = choosePlacement(document, "inference");
  if (placement === undefined) return undefined;
  const currency = planCurrency(book, termsOf(document).costCeilingPerMonth.currency);
  const { price } = choosePrice(book, { resource: "cpu_core_hour", placement, currency, now });
  const { cpuMsPerPrediction } = assumptionsOf(document, {});
  return { cpuHour: price.expected, realTimeCpuMs: cpuMsPerPrediction.value.expected };
}

/**
 * A core for an hour in a place, expected, in the currency asked for. Pure.
 *
 * @throws PortolanError `planner.price_missing` where nothing fits, or no rate leads to the currency
 */
export function coreHourPrice(
  book: PriceBook,
  question: Omit<Parameters<typeof choosePrice>[1], "resource" | "products">,
): Money {
  return choosePrice(book, { ...question, resource: "cpu_core_hour" }).price.expected;
}

const microsPerHour = 3_600_000_000n;

/**
 * What 1,000 predictions of one row cost in a model's own CPU time, at the plan's price of a core; `undefined` where the charter lets
 * inference be made nowhere. What the gateway takes beside it is the same wherever the model runs. Pure.
 *
 * @param cpuMicros measured, one row a run
 */
export function cpuCostPerThousand(
  document: CharterDocument,
  book: PriceBook,
  now: EpochMicros,
  cpuMicros: number,
): Money | undefined {
  const price = cpuPrice(document, book, now);
  return price && multiplyMoney(price.cpuHour, BigInt(cpuMicros) * 1000n, microsPerHour);
}
