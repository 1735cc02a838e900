import type { CharterDocument } from "@portolan/charter/contract";
import type { CostLine } from "../costs.ts";
import type { PriceBook } from "../price-book.ts";
import { isOfRegion } from "./search-prices.ts";

/** Says where a plan rests on cloud prices of regions that the charter does not allow, for want of others. Pure. */
export function regionWarnings(
  document: CharterDocument,
  book: PriceBook,
  lines: readonly CostLine[],
): string[] {
  const { regions } = document.nonNegotiables.residency;
  return lines.flatMap(({ price }) => {
    if (price?.placement !== "cloud" || price.resource === "engineer_month") return [];
    const used = book.records.filter(({ id }) => price.records.includes(id));
    if (used.some((record) => regions.some((region) => isOfRegion(record, region)))) return [];
    const elsewhere = [...new Set(used.map(({ region }) => region))].join(", ");
    return [
      `there is no price of ${price.resource} for ${regions.join(", ")}: that of ${elsewhere} is taken`,
    ];
  });
}
