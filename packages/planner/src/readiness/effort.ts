import type { CheckName } from "./checks.ts";

/** Phases of the first article's road to a first model, with their working days (21 a month). */
export const phases = [
  { name: "weeks 1-2", what: "assessment", workingDays: 10 },
  { name: "weeks 3-4", what: "architecture design", workingDays: 10 },
  { name: "months 2-3", what: "infrastructure setup", workingDays: 42 },
  { name: "months 4-6", what: "first production model", workingDays: 63 },
  { name: "month 7 on", what: "iterate and scale", workingDays: undefined },
] as const;
export type PhaseName = (typeof phases)[number]["name"];

/** In working days, to a tenth. */
export interface Effort {
  readonly daysLow: number;
  readonly daysHigh: number;
  readonly source: string;
}

/** What one command takes whoever knows what to state: an estimate of ours, never more than the phase allows. */
const commandDays = 0.5;
/** What a month's observation takes of people who do other things meanwhile: an estimate of ours. */
const openEnded = { daysLow: 1, daysHigh: 10 };

/**
 * What a missing check takes. The high end is its equal part of the article's phase: whoever lacks everything of a phase
 * needs the phase. Pure.
 */
export function effortOf(
  phase: PhaseName,
  checks: readonly { readonly name: CheckName; readonly phase: PhaseName }[],
): Effort {
  const { workingDays } = phases.find(({ name }) => name === phase) ?? {};
  if (workingDays === undefined)
    return { ...openEnded, source: "own estimate: the article gives this phase no end" };
  const count = checks.filter((one) => one.phase === phase).length;
  const daysHigh = Math.round((workingDays / count) * 10) / 10;
  return {
    daysLow: Math.min(commandDays, daysHigh),
    daysHigh,
    source: `low: own estimate, one command; high: first article, ${phase} (${workingDays} working days) over ${count} checks`,
  };
}
