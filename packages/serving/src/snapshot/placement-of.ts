import type { CharterDocument } from "@portolan/charter/contract";
import { allowedPlaces } from "@portolan/charter/policy";
import type { Placement } from "./schema.ts";

/** A charter's residency as a route carries it. Apart from what gateways run, which load no charter. */
export function placementOf(document: CharterDocument): Placement {
  const { regions, owners } = allowedPlaces(document);
  return { regions: [...regions], owners: owners && [...owners] };
}
