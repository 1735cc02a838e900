import type { Environment, Sql } from "@portolan/kernel";
import { countedResources } from "./resources.ts";
import { sumUsage } from "./usage-store.ts";

/** Hours of cards that somebody held, and in which these were busy. */
export interface CardUse {
  readonly environment: Environment;
  /** Empty where the usage names none. */
  readonly useCaseId: string;
  readonly useCase: string;
  readonly team: string;
  readonly heldHours: number;
  readonly busyHours: number;
}

/** Of each use case, and what a team held without one, in a stretch; those alone whose cards somebody measured. */
export async function readCardUse(
  sql: Sql,
  organisationId: string,
  bounds: { readonly start: number; readonly end: number },
): Promise<readonly CardUse[]> {
  const sums = (await sumUsage(sql, organisationId, bounds)).filter(({ resource }) =>
    ["gpu_hours", "gpu_busy_hours"].includes(resource),
  );
  const groups = Map.groupBy(sums, ({ environment, useCaseId, useCase, team }) =>
    JSON.stringify([environment, useCaseId, useCase, team]),
  );
  return [...groups.values()].flatMap((found) => {
    const [first] = found;
    const hoursOf = (resource: string): number =>
      Number(
        found.reduce((sum, one) => (one.resource === resource ? sum + one.quantity : sum), 0n) /
          (countedResources.gpu_hours.perUnit / 1000n),
      ) / 1000;
    const isMeasured = found.some(({ resource }) => resource === "gpu_busy_hours");
    if (first === undefined || !isMeasured) return [];
    const { environment, useCaseId, useCase, team } = first;
    return [
      {
        environment: environment as Environment,
        useCaseId,
        useCase,
        team,
        heldHours: hoursOf("gpu_hours"),
        busyHours: hoursOf("gpu_busy_hours"),
      },
    ];
  });
}
