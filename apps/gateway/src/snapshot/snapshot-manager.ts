import { setTimeout as sleep } from "node:timers/promises";
import { type Clock, type Environment, type Logger, messageOf, type Place } from "@portolan/kernel";
import type { SnapshotManifest } from "@portolan/serving/contract";
import { judgeSnapshotAge, verifySnapshot } from "@portolan/serving/policy";
import type { Metrics } from "@portolan/telemetry";
import { ControlAway, type ControlClient } from "../control-client.ts";
import type { DiskCache } from "./disk-cache.ts";
import type { ModelPool } from "./model-pool.ts";
import { placedHere } from "./placement-guard.ts";
import { modelKeys, type Parts, readParts, uniqueRoutes } from "./read-parts.ts";
import { RouteModels } from "./route-models.ts";
import { type ActiveRoute, keyOf, type ServingState } from "./serving-state.ts";
import { noteAge, readAgeNote, startAge } from "./snapshot-age.ts";
import { learnKeys, loadTrust, type Trust } from "./trust.ts";

export interface SnapshotManagerDeps {
  readonly clock: Clock;
  readonly cache: DiskCache;
  readonly control: ControlClient;
  readonly pool: ModelPool;
  readonly environments: readonly Environment[];
  /** Endpoints that this gateway serves; empty: all. */
  readonly endpoints: ReadonlySet<string>;
  /** Where this gateway stands. */
  readonly place: Place;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Called for every model that is refused: it becomes a record. */
  readonly onModelRefused: (route: ActiveRoute) => void;
  /** Called with the routes of every snapshot that comes into force. */
  readonly onServing?: (routes: Iterable<ActiveRoute>) => void;
}

const waitMs = 20_000;
const retryMs = 1000;
const noteEveryMs = 30_000;
const snapshotFile = "snapshot.json";
const ageFile = "age.json";

/**
 * Keeps the newest good snapshot in force: from disk at once, from control whenever it has a newer one. What a
 * snapshot takes away counts from the moment that its manifest is verified; models follow on their own (`RouteModels`).
 */
export class SnapshotManager {
  readonly #deps: SnapshotManagerDeps;
  readonly #models: RouteModels;
  readonly #stop = new AbortController();
  #trust: Trust | undefined;
  #state: ServingState | undefined;
  #parts: Parts | undefined;
  #signed: unknown;
  #loop: Promise<void> = Promise.resolve();
  #notes: NodeJS.Timeout | undefined;
  #overdue = "";
  #problem: string | undefined;
  /** True while the last word from control was an answer. */
  controlReachable = false;
  /** True until the models of the snapshot on disk were tried. */
  isStarting = true;

  constructor(deps: SnapshotManagerDeps) {
    this.#deps = deps;
    this.#models = new RouteModels({
      pool: deps.pool,
      log: deps.log,
      onModelRefused: deps.onModelRefused,
      onChange: (route) => this.#replace(route),
    });
  }

  get state(): ServingState | undefined {
    return this.#state;
  }

  /** Whose gateway this is, as soon as that is known; refusals are filed under it. */
  get organisationId(): string | undefined {
    return this.#trust?.organisationId;
  }

  /** Why there is no snapshot, for the operator. */
  get problem(): string | undefined {
    return this.#state ? undefined : this.#problem;
  }

  /** Serves from disk when it can, then follows control in the background. Resolves once disk and its models were tried. */
  async start(): Promise<void> {
    const { cache, log } = this.#deps;
    const stored = cache.readJson(snapshotFile);
    if (stored !== undefined) {
      try {
        this.#trust = await loadTrust(cache, this.#deps.control);
        await this.#consider(stored, "disk");
      } catch (error) {
        this.#problem = messageOf(error);
        log.warn({ reason: this.#problem }, "gateway.snapshot.disk_unusable");
      }
    }
    this.#notes = setInterval(() => this.#noteAge(), noteEveryMs).unref();
    this.#loop = this.#follow();
    await this.#models.settled();
    this.isStarting = false;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    clearInterval(this.#notes);
    this.#noteAge();
    await this.#loop;
    await this.#models.close();
  }

  async #follow(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        await this.#round();
        this.#setReachable(true);
      } catch (error) {
        if (!this.#stop.signal.aborted) this.#failed(error);
        await sleep(retryMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
      }
    }
  }

  async #round(): Promise<void> {
    const { control, cache } = this.#deps;
    this.#trust ??= await loadTrust(cache, control);
    if (!this.#trust) throw new ControlAway("control has not said whose snapshots to believe");
    const isWhole = this.#parts?.missing.length === 0;
    const hold = this.#state && this.controlReachable && isWhole ? waitMs : 0;
    const fetched = await Promise.race([
      control.latestSnapshot(this.#state?.manifest.version ?? 0, hold),
      aborted(this.#stop.signal),
    ]);
    if (fetched !== undefined) await this.#consider(fetched, "control");
    else if (!isWhole) await this.#complete();
    if (hold === 0 && (!isWhole || fetched === undefined))
      await sleep(retryMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
  }

  async #consider(signed: unknown, from: "disk" | "control"): Promise<void> {
    const { log, metrics } = this.#deps;
    if (!this.#trust) throw new ControlAway("no trust anchor");
    const verdict = verifySnapshot(signed, {
      keys: this.#trust.keys,
      organisationId: this.#trust.organisationId,
      ...(this.#state ? { current: this.#state.manifest } : {}),
    });
    if (verdict.kind === "current") return;
    if (verdict.kind === "refused") {
      metrics.count("portolan_gateway_snapshots_refused_total", "Snapshots refused", {
        reason: verdict.reason,
      });
      log.error({ reason: verdict.reason, detail: verdict.detail, from }, "gateway.snapshot.refused");
      // Asking again at once would spin: the last good one serves on meanwhile.
      throw new ControlAway(verdict.detail);
    }
    this.#apply(verdict.manifest, await readParts(this.#deps, verdict.manifest, this.#parts), signed, from);
  }

  /** Asks again for the parts that the snapshot in force still lacks. */
  async #complete(): Promise<void> {
    if (!this.#state || !this.#parts) return;
    const parts = await readParts(this.#deps, this.#state.manifest, this.#parts);
    if (parts.missing.length < this.#parts.missing.length)
      this.#apply(this.#state.manifest, parts, this.#signed, "control");
  }

  #apply(manifest: SnapshotManifest, parts: Parts, signed: unknown, from: "disk" | "control"): void {
    const { cache, log } = this.#deps;
    const isWhole = parts.missing.length === 0;
    const note = from === "disk" ? readAgeNote(cache.readJson(ageFile)) : undefined;
    // A snapshot that lacks a part proves nothing about what that part would say: the age runs on.
    const ageMs = isWhole || !this.#state ? startAge(this.#deps.clock, manifest, note) : this.#state.ageMs;
    const { endpoints } = this.#deps;
    const asked = uniqueRoutes(parts).filter(
      ({ endpoint }) => endpoints.size === 0 || endpoints.has(endpoint),
    );
    const routes = this.#models.begin({
      manifest,
      routes: placedHere(asked, this.#deps.place, this.#deps),
      keys: modelKeys(parts),
    });
    this.#state = { manifest, grants: parts.grants, routes, ageMs };
    this.#deps.onServing?.(routes.values());
    this.#parts = parts;
    this.#signed = signed;
    log.info({ version: manifest.version, from, routes: routes.size }, "gateway.snapshot.serving");
    if (!isWhole) log.error({ missing: parts.missing, reason: parts.reason }, "gateway.snapshot.incomplete");
    this.#keep(parts, isWhole && from === "control" && parts.isStored);
  }

  /** Disk comes last: one that takes no more delays nothing that was just revoked. */
  #keep(parts: Parts, isWorthKeeping: boolean): void {
    const { cache, log } = this.#deps;
    try {
      if (this.#trust) this.#trust = learnKeys(cache, this.#trust, parts.keys);
      if (isWorthKeeping) cache.writeJson(snapshotFile, this.#signed);
    } catch (error) {
      log.error({ reason: messageOf(error) }, "gateway.snapshot.not_stored");
    }
    this.#noteAge();
  }

  #replace(route: ActiveRoute): void {
    if (!this.#state) return;
    const routes = new Map(this.#state.routes).set(keyOf(route.route), route);
    this.#state = { ...this.#state, routes };
  }

  /** Written down so that a restart under a clock that was set back does not make the snapshot younger. */
  #noteAge(): void {
    const state = this.#state;
    if (!state) return;
    const { cache, clock, log } = this.#deps;
    try {
      cache.writeJson(ageFile, noteAge(state.manifest.version, state.ageMs(), clock.now()));
    } catch (error) {
      log.warn({ reason: messageOf(error) }, "gateway.snapshot.age_not_stored");
    }
    const overdue = [...state.routes.values()]
      .filter(({ route }) => judgeSnapshotAge(route.snapshotAge, state.ageMs()) !== "fresh")
      .map(({ route }) => `${route.environment}/${route.endpoint}`)
      .join(" ");
    if (overdue !== this.#overdue) {
      if (overdue !== "") log.warn({ routes: overdue, ageMs: state.ageMs() }, "gateway.snapshot.overdue");
      this.#overdue = overdue;
    }
  }

  #failed(error: unknown): void {
    this.#problem = messageOf(error);
    if (this.controlReachable || !(error instanceof ControlAway))
      this.#deps.log.warn({ reason: this.#problem }, "gateway.control.away");
    this.#setReachable(false);
  }

  #setReachable(reachable: boolean): void {
    if (reachable && !this.controlReachable) this.#deps.log.info({}, "gateway.control.reachable");
    this.controlReachable = reachable;
    this.#deps.metrics.gauge(
      "portolan_gateway_control_reachable",
      "1 while control answers",
      {},
      reachable ? 1 : 0,
    );
  }
}

async function aborted(signal: AbortSignal): Promise<undefined> {
  if (signal.aborted) return undefined;
  await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  return undefined;
}
