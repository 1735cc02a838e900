import type { WorkPlace } from "@portolan/kernel";
import type { MadeView } from "../ports.ts";
import { type Facets, ownership } from "./facets.ts";

/**
 * Whose a view's values are: the view's team and whoever published it. Values that are kept in an environment are also those of the team whose work
 * put them there.
 */
export function viewOwners({ owner, publishedBy }: MadeView, keptFor: WorkPlace = {}): Facets {
  const teams = new Set([keptFor.teamId, owner.teamId].filter((team) => team !== undefined));
  return ownership([
    ...[...teams].map((team) => ({ name: `team:${team}`, type: "OWNER" })),
    { name: `principal:${publishedBy}`, type: "MAINTAINER" },
  ]);
}
