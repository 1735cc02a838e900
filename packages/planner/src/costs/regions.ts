import type { CharterDocument } from "@portolan/charter/contract";
import { termsOf } from "@portolan/charter/policy";
import type { Assumption, Assumptions } from "../assumptions.ts";
import type { Gap } from "../gaps.ts";
import { combine, exactly, type Quantity, times } from "../range.ts";
import { type CostLine, type CostQuestion, costLine } from "./cost-line.ts";

/** From here a whole region may not take the answer away: one region's own promise is less. */
const twoRegionsFrom = 0.9999;

function regionsAsked(document: CharterDocument): number {
  return termsOf(document).availability >= twoRegionsFrom ? 2 : 1;
}

/** Places that residency names; a pattern (`eu-*`) has room for any number of them. */
export function regionsAllowed(document: CharterDocument): number {
  const { regions } = document.nonNegotiables.residency;
  return regions.some((region) => region.includes("*")) ? Number.POSITIVE_INFINITY : regions.length;
}

/** What availability asks for, as far as residency has places for it. */
export function servingRegions(document: CharterDocument): Pick<Assumption, "value" | "origin" | "note"> {
  const value = exactly(Math.max(1, Math.min(regionsAsked(document), regionsAllowed(document))));
  const { availability } = document.requirements;
  return { value, origin: "charter", note: `availability ${availability}; from 99.99 % on two` };
}

/** A charter that asks for a second region and names one. */
export function regionGaps(document: CharterDocument, { servingRegions: planned }: Assumptions): Gap[] {
  if (planned.value.expected >= regionsAsked(document)) return [];
  return [
    {
      severity: "attention",
      what: `${document.requirements.availability} asks for copies in two regions, and residency names ${document.nonNegotiables.residency.regions.join(", ")} alone`,
      mend: "Name a second region, or promise less.",
      from: ["/requirements/availability", "/nonNegotiables/residency/regions"],
    },
  ];
}

/** ` in 2 regions`, where there are several. */
export function inRegions({ servingRegions: { value } }: Assumptions): string {
  return value.high > 1 ? `, in ${Number(value.expected.toFixed(1))} regions` : "";
}

const gb = 1e-9;

/**
 * What the other regions are sent: the prediction log and each new model. Clouds charge for it by the GB; a line between own places is not in the price book.
 *
 * @param logBytes of a month, compressed
 */
export function replicationLines(question: CostQuestion, logBytes: Quantity): CostLine[] {
  const { assumptions, inference } = question;
  const { servingRegions: regions, modelBytes, trainingRunsPerMonth } = assumptions;
  if (inference !== "cloud" || regions.value.high <= 1) return [];
  const models = times(modelBytes.value, trainingRunsPerMonth.value);
  const sent = combine(logBytes, models, (log, files) => (log + files) * gb);
  return [
    costLine(question, inference, "region_egress_gb", {
      category: "egress",
      what: "log and models to the other regions",
      unit: "GB",
      quantity: combine(sent, regions.value, (each, count) => each * (count - 1)),
    }),
  ];
}
