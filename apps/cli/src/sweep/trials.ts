import type { TrainingRunView } from "@portolan/training/contract";
import { table } from "../output.ts";
import type { SweepDeclaration, TrialParams } from "./declaration.ts";

/** A trial as the state file keeps it. */
export interface Trial {
  readonly params: TrialParams;
  /** Absent: it was not started yet. */
  readonly run?: string;
  readonly state?: TrainingRunView["state"];
  /** Of the declared name; absent where the run has none. */
  readonly metric?: number;
}

export const isOver = ({ state }: Trial): boolean =>
  state === "succeeded" || state === "failed" || state === "cancelled";
export const isUnderWay = (trial: Trial): boolean => trial.run !== undefined && !isOver(trial);

/** The best trial first; those that have no figure last, in their order. Pure. */
export function ranked(
  trials: readonly Trial[],
  { direction }: Pick<SweepDeclaration, "direction">,
): readonly Trial[] {
  const sign = direction === "minimize" ? 1 : -1;
  const worth = ({ state, metric }: Trial): number =>
    state === "succeeded" && metric !== undefined ? sign * metric : Infinity;
  return trials.toSorted((a, b) => (worth(a) === worth(b) ? 0 : worth(a) - worth(b)));
}

/** The best trial, where one succeeded and has the metric. */
export function bestOf(
  trials: readonly Trial[],
  declaration: Pick<SweepDeclaration, "direction">,
): Trial | undefined {
  const [first] = ranked(trials, declaration);
  return first?.state === "succeeded" && first.metric !== undefined ? first : undefined;
}

/** What people read of a sweep: its trials, the best first. */
export function sweepText(trials: readonly Trial[], declaration: SweepDeclaration): string {
  const names = Object.keys(declaration.params).toSorted();
  const rows = ranked(trials, declaration).map((trial) => [
    trial.run ?? "-",
    trial.state ?? "not started",
    trial.metric === undefined ? "-" : String(trial.metric),
    ...names.map((name) => String(trial.params[name] ?? "-")),
  ]);
  const best = bestOf(trials, declaration);
  const last = best
    ? `Best: ${best.run ?? ""} with ${declaration.metric} ${best.metric ?? ""}`
    : `No trial has left ${declaration.metric} yet.`;
  return `${table(["run", "state", declaration.metric, ...names], rows)}\n${last}`;
}
