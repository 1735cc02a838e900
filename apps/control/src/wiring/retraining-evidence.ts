import { asEpochMicros, formatInstant } from "@portolan/kernel";
import type { ConceptStanding, DriftReport, PerformanceWindow } from "@portolan/monitoring/contract";
import type { Champion, Signals } from "@portolan/retraining";
import type { AccuracyWindow } from "@portolan/retraining/policy";

/** Whether a series is of what answers as the champion. Pure. */
export function isOf(
  champion: Champion,
  series: Pick<DriftReport, "environment" | "model" | "version"> & { readonly variant: string },
): boolean {
  return (
    series.variant === "champion" &&
    series.environment === champion.environment &&
    series.model === champion.model &&
    series.version === champion.version
  );
}

const judged: ReadonlySet<PerformanceWindow["verdict"]> = new Set(["misses", "keeps", "unclear"]);

/** Of a mature window with enough labels; of any other there is nothing to say. Pure. */
export function accuracyWindow(
  { verdict, metrics, labels, start }: PerformanceWindow,
  metric: string,
): AccuracyWindow[] {
  const found = judged.has(verdict) ? metrics.find((one) => one.metric === metric) : undefined;
  if (!found) return [];
  const { value, low, high } = found;
  return [{ start, value, low, high, labels }];
}

/** What outcomes say of a champion's errors over time; nothing without a reference. Pure. */
export function conceptOf(concept: ConceptStanding | null): Awaited<ReturnType<Signals["concept"]>> {
  if (concept?.state !== "drifted") return { hasDrifted: false, evidence: {} };
  const { reference, recent, since } = concept;
  return {
    hasDrifted: true,
    evidence: {
      wrongInReference: reference.wrong / reference.cases,
      wrongRecently: recent.wrong / Math.max(1, recent.cases),
      ...(since === null ? {} : { wrongSince: formatInstant(asEpochMicros(since)) }),
    },
  };
}

/** Drift of inputs or of predictions; `unclear` where neither has enough rows. Pure. */
export function driftOf({ verdicts, inputs, outputs }: DriftReport): Awaited<ReturnType<Signals["drift"]>> {
  const told = [verdicts.inputs, verdicts.outputs];
  const drifting = [...inputs, ...outputs].filter(({ verdict }) => verdict === "drift");
  const evidence = {
    inputs: verdicts.inputs,
    outputs: verdicts.outputs,
    drifting: drifting
      .slice(0, 10)
      .map(({ reference }) => reference.name)
      .join(", "),
  };
  if (told.includes("drift")) return { finding: "drift", evidence };
  return { finding: told.includes("no_drift") ? "no_drift" : "unclear", evidence };
}
