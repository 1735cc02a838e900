import type { CharterDocument } from "@portolan/charter/contract";
import { termsOf } from "@portolan/charter/policy";
import { type Currency, type EpochMicros, isPortolanError, type Money } from "@portolan/kernel";
import { choosePlacement } from "./placement-choice.ts";
import type { PriceBook, PricedResource } from "./price-book.ts";
import { choosePrice, planCurrency } from "./price-choice.ts";

/** Prices of what is metered, as expected, by the names that usage has. */
export interface UsagePriceList {
  /** The ceiling's, where the book can be converted into it. */
  readonly currency: Currency;
  readonly perUnit: ReadonlyMap<string, Money>;
}

const priced = {
  gpu_hours: "gpu_hour",
  cpu_hours: "cpu_core_hour",
  memory_gib_hours: "memory_gib_hour",
  storage_gb_months: "storage_gb_month",
  egress_gb: "egress_gb",
  request_gb: "request_gb",
  response_gb: "response_gb",
  scoring_read_gb: "scoring_read_gb",
  scoring_written_gb: "scoring_written_gb",
} as const satisfies Record<string, PricedResource>;

/** What a plan takes for inference where the charter lets it be made; resources without a price are left out, and nobody makes one up. Pure. */
export function usagePrices(document: CharterDocument, book: PriceBook, now: EpochMicros): UsagePriceList {
  const currency = planCurrency(book, termsOf(document).costCeilingPerMonth.currency);
  const { chosen: placement } = choosePlacement(document, "inference");
  const perUnit = new Map<string, Money>();
  if (placement === undefined) return { currency, perUnit };
  for (const [name, resource] of Object.entries(priced)) {
    try {
      perUnit.set(name, choosePrice(book, { resource, placement, currency, now }).price.expected);
    } catch (error) {
      if (!isPortolanError(error) || error.code !== "planner.price_missing") throw error;
    }
  }
  return { currency, perUnit };
}
