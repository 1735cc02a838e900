import type { ObjectStore } from "@portolan/kernel";
import { driftFigures, type SeriesFigures } from "@portolan/monitoring";
import { Gauge, type Registry } from "prom-client";
import { type DataMetricsDeps, inTime, sharedForAWhile, systemCall } from "./data-metrics.ts";

/** Variants of endpoints that are judged for a scrape. */
const mostSeries = 50;
/** Endpoints that were not counted for so long are shown no more. */
const shownMicros = 86_400_000_000;
/** A window of counts is five minutes: there is nothing new before. */
const restMicros = 300_000_000;

const labelNames = ["organisation", "environment", "use_case", "endpoint", "variant"] as const;
/** What a verdict is of: its columns, or the shares of absent, outside and unseen values in them. */
const kinds = ["inputs", "outputs", "quality"] as const;
const verdictNames = ["drift", "no_drift", "insufficient", "not_counted"] as const;

/**
 * The latest drift verdict of each endpoint's variants, judged when it is asked for, at most every five minutes. Sixteen
 * series per variant in all, however many columns there are.
 */
export function addDriftMetrics(
  registry: Registry,
  deps: DataMetricsDeps & { readonly objects: ObjectStore },
): void {
  const collect = sharedForAWhile(deps.clock, () => refresh(), restMicros);
  const gauge = <Name extends string>(name: string, help: string, more: readonly Name[]) =>
    new Gauge({
      name: `portolan_drift_${name}`,
      help,
      labelNames: [...labelNames, ...more],
      registers: [registry],
      collect,
    });
  const detected = gauge("detected", "Whether drift is found, 1 or 0; absent where nothing could be judged", [
    "of",
  ]);
  const columns = gauge("columns", "Columns by their latest verdict", ["of", "verdict"]);
  const judged = gauge("judged_until_seconds", "End of the newest judged window, Unix time", []);
  const up = new Gauge({
    name: "portolan_drift_figures_up",
    help: "Whether all that is shown could be judged, 1 or 0",
    registers: [registry],
    collect,
  });
  const cut = new Gauge({
    name: "portolan_drift_figures_cut",
    help: `Whether there are more variants of endpoints than the ${mostSeries} counted last, which alone are shown, 1 or 0`,
    registers: [registry],
    collect,
  });
  const show = ({ series, verdicts, columns: verdictsOf, judgedUntil }: SeriesFigures): void => {
    const { organisationId: organisation, environment, useCaseId: use_case, endpoint, variant } = series;
    const labels = { organisation, environment, use_case, endpoint, variant };
    if (judgedUntil !== undefined) judged.set(labels, judgedUntil / 1_000_000);
    for (const of of kinds) {
      const isJudged = verdicts[of] === "drift" || verdicts[of] === "no_drift";
      if (isJudged) detected.set({ ...labels, of }, verdicts[of] === "drift" ? 1 : 0);
      for (const verdict of verdictNames) {
        const count = verdictsOf[of].filter((one) => one === verdict).length;
        columns.set({ ...labels, of, verdict }, count);
      }
    }
  };
  const refresh = async (): Promise<boolean> => {
    const since = deps.clock.now() - shownMicros;
    const found = await inTime(driftFigures(deps, systemCall(deps.clock), { since, most: mostSeries }));
    for (const one of [detected, columns, judged]) one.reset();
    cut.remove();
    if (found) cut.set(found.isCut ? 1 : 0);
    for (const figures of found?.figures ?? []) show(figures);
    up.set(found?.failed === 0 ? 1 : 0);
    return found !== undefined;
  };
}
