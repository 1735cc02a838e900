import type { CharterDocument } from "@portolan/charter/contract";
import type { PlacementCandidate, PlacementPrices, PlannedWorkload } from "../placement-choice.ts";
import { eligibleBook, needsOf, whatNoneHas } from "../prices/provider-needs.ts";

/** Excludes the cloud where no seller of what is needed has what the regulations and the availability ask for. Pure. */
export function providerElimination(
  document: CharterDocument,
  workload: PlannedWorkload,
  { book, resource }: PlacementPrices,
): PlacementCandidate["eliminatedBy"] {
  const needs = needsOf(document, workload);
  const isSold = (record: (typeof book.records)[number]) =>
    record.resource === resource && record.placements.includes("cloud");
  const sold = book.records.filter(isSold);
  if (sold.length === 0 || eligibleBook(book, needs).records.some(isSold)) return [];
  return [
    {
      pointer: needs.certifications.length > 0 ? "/nonNegotiables/regulations" : "/requirements/availability",
      reason: `no seller of ${resource} in the price book has ${whatNoneHas(book, sold, needs)}`,
    },
  ];
}
