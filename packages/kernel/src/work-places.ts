import type { Environment } from "./actor.ts";
import { PortolanError } from "./errors.ts";
import type { Id } from "./ids.ts";

/** Where in an organisation something belongs, by id. With neither it belongs to the organisation as a whole. */
export interface WorkPlace {
  readonly teamId?: string;
  readonly useCaseId?: string;
}

/** A place in one environment. */
export interface EnvironmentPlace extends WorkPlace {
  readonly environment: Environment;
}

/** Knows teams and use cases. Implemented by `identity`. */
export interface PlaceDirectory {
  /**
   * The ids of what a caller named by id or name, a use case with its team; `undefined` when there is none of that
   * name. What is stored holds these ids, so that two spellings of one use case are one.
   */
  find(organisationId: Id<"organisation">, named: WorkPlace): Promise<WorkPlace | undefined>;
}

/**
 * The place that a caller named, as ids. Ask the authorizer first: to who may not work there an unknown place is
 * refused like a known one.
 *
 * @throws PortolanError `kernel.not_found`
 */
export async function locate(
  places: PlaceDirectory,
  organisationId: Id<"organisation">,
  named: Named,
): Promise<WorkPlace> {
  const found = await places.find(organisationId, asPlace(named));
  if (found) return found;
  throw new PortolanError("kernel.not_found", {
    detail: "there is no such team or use case",
    mend: "Name one that exists, by id or name.",
  });
}

/** Whether what belongs to `owner` may be used in work at `at`: its own, its team's, or the organisation's. Pure. */
export function covers(owner: WorkPlace, at: WorkPlace): boolean {
  if (owner.useCaseId !== undefined) return owner.useCaseId === at.useCaseId;
  return owner.teamId === undefined || owner.teamId === at.teamId;
}

export function sameOwner(one: WorkPlace, other: WorkPlace): boolean {
  const [a, b] = [ownerOf(one), ownerOf(other)];
  return a.useCaseId === b.useCaseId && a.teamId === b.teamId;
}

/** The nearest scope alone: what a row of something that belongs there keeps. */
export function ownerOf({ teamId, useCaseId }: Named): WorkPlace {
  if (useCaseId !== undefined) return { useCaseId };
  return teamId === undefined ? {} : { teamId };
}

/** A request's members, some of them perhaps absent. */
interface Named {
  readonly teamId?: string | undefined;
  readonly useCaseId?: string | undefined;
}

/** The team and use case that a request names, to ask the authorizer about. */
export function asPlace({ teamId, useCaseId }: Named): WorkPlace {
  return {
    ...(teamId === undefined ? {} : { teamId }),
    ...(useCaseId === undefined ? {} : { useCaseId }),
  };
}

/** A place from two nullable columns. */
export function placeOf(row: {
  readonly team_id: string | null;
  readonly use_case_id: string | null;
}): WorkPlace {
  return {
    ...(row.team_id === null ? {} : { teamId: row.team_id }),
    ...(row.use_case_id === null ? {} : { useCaseId: row.use_case_id }),
  };
}
