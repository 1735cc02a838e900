import { setImmediate as otherWork } from "node:timers/promises";
import type { CallContext, ObjectStore } from "@portolan/kernel";
import { driftFigures } from "../drift-figures.ts";
import { performancePolicy } from "../performance/performance-policy.ts";
import type { PerformanceSeries } from "../performance/performance-schema.ts";
import { type PerformanceDeps, reportOfOrganisation } from "../performance/read-performance.ts";
import type { Alert } from "./alert-schema.ts";
import { labelledEndpoints, listAlerts } from "./alert-store.ts";
import { driftFinding } from "./drift-finding.ts";
import type { Finding } from "./finding.ts";
import { performanceFinding } from "./performance-finding.ts";
import { endAlert, settleFinding } from "./settle-alert.ts";

export type WatchDeps = Pick<PerformanceDeps, "work" | "clock" | "bounds" | "columns">;

export interface DriftWatchDeps extends Pick<WatchDeps, "work" | "clock"> {
  readonly objects: ObjectStore;
}

/** Open alerts of one kind that a round looks at. */
const mostOpen = 1000;
/** Variants of endpoints whose drift a round judges, as control's metrics do. */
const mostSeries = 50;
const { hourMicros } = performancePolicy;
const watchedMicros = performancePolicy.days * 24 * hourMicros;

/** What a round changed. */
export interface WatchRound {
  readonly opened: number;
  readonly resolved: number;
}

/**
 * Judges the performance of every endpoint of an organisation whose labels changed since the round before, and once an hour of every one that
 * has labels at all, and opens and resolves alerts.
 */
export class PerformanceWatch {
  readonly #deps: WatchDeps;
  /** What was judged last, by organisation and endpoint. */
  readonly #seen = new Map<string, string>();

  constructor(deps: WatchDeps) {
    this.#deps = deps;
  }

  /** @param call of the process itself, for one organisation */
  async round(call: CallContext): Promise<WatchRound> {
    const { work, clock } = this.#deps;
    const { organisationId } = call.actor;
    const now = clock.now();
    const endpoints = await work.read(call, (sql) =>
      labelledEndpoints(sql, organisationId, now - watchedMicros),
    );
    const findings: Finding[] = [];
    const judged = new Map<string, string>();
    for (const { endpoint, fingerprint } of endpoints) {
      const place = `${organisationId}/${endpoint}`;
      // The hour: windows become old, and charters change.
      const state = `${fingerprint} ${Math.floor(now / hourMicros)}`;
      if (this.#seen.get(place) === state) continue;
      const series = await reportOfOrganisation(this.#deps, call, endpoint);
      findings.push(...findingsOf(endpoint, series));
      judged.set(place, state);
      await otherWork();
    }
    const round = await settleAll(this.#deps, call, findings);
    for (const [place, state] of judged) this.#seen.set(place, state);
    const ended = await this.#endUnjudged(call, new Set(endpoints.map(({ endpoint }) => endpoint)));
    return { ...round, resolved: round.resolved + ended };
  }

  /** What nobody reports labels of any more is not known to be wrong. */
  async #endUnjudged(call: CallContext, labelled: ReadonlySet<string>): Promise<number> {
    const open = await openAlerts(this.#deps, call, "performance");
    const gone = open.filter(({ endpoint }) => !labelled.has(endpoint));
    if (gone.length > 0)
      await this.#deps.work.write(call, async (tx) => {
        for (const alert of gone) await endAlert(tx, alert, `no labels for ${performancePolicy.days} days`);
      });
    return gone.length;
  }
}

function findingsOf(endpoint: string, series: readonly PerformanceSeries[]): Finding[] {
  return series.map((one) => performanceFinding(endpoint, one)).filter((finding) => finding !== undefined);
}

/**
 * Judges drift of what models say, over all organisations, as control's metrics do; `callFor` makes the process's own call for one.
 */
export async function watchDrift(
  deps: DriftWatchDeps,
  call: CallContext,
  callFor: (organisationId: string) => CallContext,
): Promise<WatchRound> {
  const since = deps.clock.now() - 24 * hourMicros;
  const { figures } = await driftFigures(deps, call, { since, most: mostSeries });
  let round: WatchRound = { opened: 0, resolved: 0 };
  const answering = figures.filter(({ series }) => series.variant !== "shadow");
  for (const [organisationId, own] of Map.groupBy(answering, ({ series }) => series.organisationId)) {
    const { opened, resolved } = await settleAll(deps, callFor(organisationId), own.map(driftFinding));
    round = { opened: round.opened + opened, resolved: round.resolved + resolved };
  }
  return round;
}

async function settleAll(
  { work }: Pick<WatchDeps, "work">,
  call: CallContext,
  findings: readonly Finding[],
): Promise<WatchRound> {
  const round = { opened: 0, resolved: 0 };
  for (const finding of findings) {
    if (finding.condition === "unclear") continue;
    const change = await work.write(call, (tx) => settleFinding(tx, finding));
    if (change !== "unchanged") round[change] += 1;
  }
  return round;
}

function openAlerts(
  { work }: Pick<WatchDeps, "work">,
  call: CallContext,
  kind: Alert["kind"],
): Promise<Alert[]> {
  const { organisationId } = call.actor;
  return work.read(call, (sql) => listAlerts(sql, { organisationId, state: "open", kind }, mostOpen));
}
