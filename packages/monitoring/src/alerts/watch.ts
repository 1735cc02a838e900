import { setImmediate as otherWork } from "node:timers/promises";
import type { CallContext } from "@portolan/kernel";
import { driftFigures, type SeriesFigures } from "../drift-figures.ts";
import { keepReference } from "../performance/concept-store.ts";
import { performancePolicy } from "../performance/performance-policy.ts";
import type { PerformanceSeries } from "../performance/performance-schema.ts";
import { type PerformanceDeps, reportOfOrganisation } from "../performance/read-performance.ts";
import type { Alert } from "./alert-schema.ts";
import { labelledEndpoints, listAlerts } from "./alert-store.ts";
import { conceptFinding } from "./concept-finding.ts";
import { driftBegan } from "./drift-began.ts";
import { driftFinding } from "./drift-finding.ts";
import type { Finding } from "./finding.ts";
import { performanceFinding } from "./performance-finding.ts";
import { endAlert, settleFinding } from "./settle-alert.ts";

export type WatchDeps = Pick<PerformanceDeps, "work" | "clock" | "bounds" | "columns" | "objects">;

export type DriftWatchDeps = Pick<WatchDeps, "work" | "clock" | "objects">;

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

/** Labels that were committed after a round read carry an instant from before it. */
const overlapMicros = 60_000_000;
/** Times what judging an endpoint took is how long it rests: judging takes a twentieth of a processor at most. */
const restFactor = 20;

/** What is known of an organisation between rounds. */
interface Watched {
  /** When the last round began, epoch microseconds. */
  at: number;
  /** Endpoints that are to be judged. */
  readonly due: Set<string>;
  /** Until when endpoints rest, epoch microseconds. */
  readonly rests: Map<string, number>;
}

/**
 * Judges the performance of the endpoints of an organisation whose labels changed since the round before, and once an hour of all that have
 * labels: windows become old, and charters change. Opens and resolves alerts.
 */
export class PerformanceWatch {
  readonly #deps: WatchDeps;
  readonly #watched = new Map<string, Watched>();

  constructor(deps: WatchDeps) {
    this.#deps = deps;
  }

  /**
   * @param call of the process itself, for one organisation
   * @throws AggregateError for endpoints that could not be judged, once all others were
   */
  async round(call: CallContext): Promise<WatchRound> {
    const { organisationId } = call.actor;
    const watched = this.#watched.get(organisationId) ?? { at: 0, due: new Set(), rests: new Map() };
    this.#watched.set(organisationId, watched);
    const ended = await this.#look(call, watched);
    const round = { opened: 0, resolved: ended };
    const faults: unknown[] = [];
    for (const endpoint of watched.due) {
      const begun = this.#deps.clock.now();
      if ((watched.rests.get(endpoint) ?? 0) > begun) continue;
      // One endpoint that cannot be judged must not hide what is wrong with the others; it stays due.
      const { opened, resolved } = await this.#judge(call, endpoint, watched).catch((error: unknown) => {
        faults.push(error);
        return { opened: 0, resolved: 0 };
      });
      round.opened += opened;
      round.resolved += resolved;
      const end = this.#deps.clock.now();
      watched.rests.set(endpoint, end + restFactor * (end - begun));
      await otherWork();
    }
    if (faults.length > 0) throw new AggregateError(faults, `${faults.length} endpoints could not be judged`);
    return round;
  }

  async #judge(call: CallContext, endpoint: string, { due }: Watched): Promise<WatchRound> {
    const series = await reportOfOrganisation(this.#deps, call, endpoint);
    await this.#keepReferences(call, endpoint, series);
    const findings = findingsOf(endpoint, series);
    const round = await settleAll(this.#deps, call, findings);
    const keys = new Set(findings.map(({ key }) => key));
    const open = await this.#open(call);
    const gone = open.filter((alert) => alert.endpoint === endpoint && !keys.has(alert.key));
    const ended = await endAll(this.#deps, call, gone, "no window of it is judged any more");
    due.delete(endpoint);
    return { opened: round.opened, resolved: round.resolved + ended };
  }

  /** Notes what is due; in the first round of an hour everything. Returns how many alerts ended because nobody reports labels any more. */
  async #look(call: CallContext, watched: Watched): Promise<number> {
    const { work, clock } = this.#deps;
    const { organisationId } = call.actor;
    const now = clock.now();
    const isFull = Math.floor(now / hourMicros) !== Math.floor(watched.at / hourMicros);
    const since = isFull ? { received: now - watchedMicros } : { reported: watched.at - overlapMicros };
    const endpoints = await work.read(call, (sql) => labelledEndpoints(sql, organisationId, since));
    for (const endpoint of endpoints) watched.due.add(endpoint);
    const ended = isFull ? await this.#endUnjudged(call, new Set(endpoints)) : 0;
    watched.at = now;
    return ended;
  }

  /** What outcomes are judged for. */
  async #open(call: CallContext): Promise<Alert[]> {
    const kinds = ["performance", "concept"] as const;
    return (await Promise.all(kinds.map((kind) => openAlerts(this.#deps, call, kind)))).flat();
  }

  /** A drift must not become the reference of what comes later: the first one that can be made stays. */
  async #keepReferences(
    call: CallContext,
    endpoint: string,
    series: readonly PerformanceSeries[],
  ): Promise<void> {
    for (const { concept, ...key } of series)
      if (concept && !concept.reference.isKept)
        await this.#deps.work.write(call, (tx) => keepReference(tx, endpoint, key, concept.reference));
  }

  async #endUnjudged(call: CallContext, labelled: ReadonlySet<string>): Promise<number> {
    const open = await this.#open(call);
    const gone = open.filter(({ endpoint }) => !labelled.has(endpoint));
    return endAll(this.#deps, call, gone, `no labels for ${performancePolicy.days} days`);
  }
}

function findingsOf(endpoint: string, series: readonly PerformanceSeries[]): Finding[] {
  return series
    .flatMap((one) => [performanceFinding(endpoint, one), conceptFinding(endpoint, one)])
    .filter((finding) => finding !== undefined);
}

/**
 * Judges drift of what models say, over all organisations, as control's metrics do. What was replaced, or not counted for a day, is no longer
 * known to drift.
 *
 * @param organisations all there are
 * @param callFor makes the process's own call for one
 */
export async function watchDrift(
  deps: DriftWatchDeps,
  call: CallContext,
  organisations: readonly string[],
  callFor: (organisationId: string) => CallContext,
): Promise<WatchRound> {
  const since = deps.clock.now() - 24 * hourMicros;
  const { figures, isCut, failed } = await driftFigures(deps, call, { since, most: mostSeries });
  let round: WatchRound = { opened: 0, resolved: 0 };
  const answering = figures.filter(({ series }) => series.variant !== "shadow");
  for (const organisationId of organisations) {
    const ownCall = callFor(organisationId);
    const ofIt = answering.filter(({ series }) => series.organisationId === organisationId);
    const own = await withBeginnings(deps, ownCall, ofIt);
    const { opened, resolved } = await settleAll(deps, ownCall, own);
    const keys = new Set(own.map(({ key }) => key));
    const open = (await openAlerts(deps, ownCall, "drift")).filter(({ key }) => !keys.has(key));
    const replaced = open.filter((alert) => own.some((finding) => isSamePlace(finding, alert)));
    const silent = isCut || failed > 0 ? [] : open.filter((alert) => !replaced.includes(alert));
    const ended =
      (await endAll(deps, ownCall, replaced, "another version answers")) +
      (await endAll(deps, ownCall, silent, "nothing was counted for a day"));
    round = { opened: round.opened + opened, resolved: round.resolved + resolved + ended };
  }
  return round;
}

/** Findings; those that will open an alert say how long after the first window that differed. */
async function withBeginnings(
  deps: DriftWatchDeps,
  call: CallContext,
  figures: readonly SeriesFigures[],
): Promise<Finding[]> {
  const open = new Set((await openAlerts(deps, call, "drift")).map(({ key }) => key));
  const findings: Finding[] = [];
  for (const one of figures) {
    const finding = driftFinding(one);
    const isNew = finding.condition === "firing" && !open.has(finding.key);
    // An alert is worth more than the word since when: what cannot be read again leaves that out.
    const began = isNew ? await driftBegan(deps, call, one.series).catch(() => undefined) : undefined;
    const seconds = began === undefined ? undefined : Math.round((deps.clock.now() - began) / 1_000_000);
    findings.push(
      seconds === undefined
        ? finding
        : { ...finding, evidence: { ...finding.evidence, detectedAfterSeconds: seconds } },
    );
  }
  return findings;
}

function isSamePlace(one: Finding, other: Alert): boolean {
  return (
    one.environment === other.environment && one.endpoint === other.endpoint && one.variant === other.variant
  );
}

/** Resolves to how many there were. */
export async function endAll(
  { work }: Pick<WatchDeps, "work">,
  call: CallContext,
  alerts: readonly Alert[],
  because: string,
): Promise<number> {
  if (alerts.length > 0)
    await work.write(call, async (tx) => {
      for (const alert of alerts) await endAlert(tx, alert, because);
    });
  return alerts.length;
}

/** Opens and resolves the alerts of findings. */
export async function settleAll(
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

/** Open alerts of a kind. */
export function openAlerts(
  { work }: Pick<WatchDeps, "work">,
  call: CallContext,
  kind: Alert["kind"],
): Promise<Alert[]> {
  const { organisationId } = call.actor;
  return work.read(call, (sql) => listAlerts(sql, { organisationId, state: "open", kind }, mostOpen));
}
