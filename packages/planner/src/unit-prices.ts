import { type Currency, type EpochMicros, isPortolanError } from "@portolan/kernel";
import type { Placement, PriceBook, PricedResource } from "./price-book.ts";
import { choosePrice } from "./price-choice.ts";
import type { Cost } from "./range.ts";

/** What a unit of each costs in a place; absent where the book has no price for it. */
export interface UnitPrices {
  readonly cpuCoreHour?: Cost;
  readonly memoryGibHour?: Cost;
  readonly storageGbMonth?: Cost;
  /** Of any card. */
  readonly gpuHour?: Cost;
}

/** Pure. */
export function unitPrices(
  book: PriceBook,
  of: { readonly placement: Placement; readonly currency: Currency; readonly now: EpochMicros },
): UnitPrices {
  const cpuCoreHour = priceIfAny(book, "cpu_core_hour", of);
  const memoryGibHour = priceIfAny(book, "memory_gib_hour", of);
  const storageGbMonth = priceIfAny(book, "storage_gb_month", of);
  const gpuHour = priceIfAny(book, "gpu_hour", of);
  return {
    ...(gpuHour ? { gpuHour } : {}),
    ...(cpuCoreHour ? { cpuCoreHour } : {}),
    ...(memoryGibHour ? { memoryGibHour } : {}),
    ...(storageGbMonth ? { storageGbMonth } : {}),
  };
}

function priceIfAny(
  book: PriceBook,
  resource: PricedResource,
  of: Parameters<typeof unitPrices>[1],
): Cost | undefined {
  try {
    return choosePrice(book, { resource, ...of }).price;
  } catch (error) {
    if (isPortolanError(error) && error.code === "planner.price_missing") return undefined;
    throw error;
  }
}
