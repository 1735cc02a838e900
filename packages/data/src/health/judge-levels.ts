import type { MeasuredLevel } from "../contracts/measured-levels.ts";
import { healthFigures } from "./health-figures.ts";
import type { ContractHealth } from "./health-store.ts";

/** How a level stands: absent values are not known yet. */
export interface JudgedLevel extends MeasuredLevel {
  readonly value?: number;
  readonly isMet?: boolean;
}

/** Holds figures of a contract in one place against what it agrees. Pure. @param now epoch microseconds */
export function judgeLevels(
  levels: readonly MeasuredLevel[],
  health: ContractHealth | undefined,
  now: number,
): JudgedLevel[] {
  return levels.map((level) => {
    const value = health && valueOf(level, health, now);
    if (value === undefined) return level;
    return { ...level, value, isMet: level.op === "lte" ? value <= level.bound : value >= level.bound };
  });
}

function valueOf(
  { measure, column = "" }: MeasuredLevel,
  health: ContractHealth,
  now: number,
): number | undefined {
  const figures = healthFigures(health, now);
  switch (measure) {
    case "freshness":
      return figures.freshnessLagSeconds;
    case "reprocessing":
      return health.reprocessingMs / 1000;
    case "rowCount":
      return figures.rows?.accepted;
    case "schemaDrift":
    case "nullShare":
    case "nullShareRise":
      break;
  }
  if (!figures.rows) return undefined;
  if (measure === "nullShare") return figures.nullShares[column] ?? 0;
  if (measure === "nullShareRise") return figures.nullRise;
  const { added, missing, changed } = figures.driftedColumns;
  return added + missing + changed;
}
