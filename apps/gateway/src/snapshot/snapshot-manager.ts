import { setTimeout as sleep } from "node:timers/promises";
import type { GatewayGrants } from "@portolan/identity/contract";
import { type Environment, type Logger, messageOf, type Place, type SigningKey } from "@portolan/kernel";
import type { Route, SignedSnapshot, SnapshotManifest, SnapshotPart } from "@portolan/serving/contract";
import { checkedJson, readKeysPart, readRoutesPart, verifySnapshot } from "@portolan/serving/policy";
import { ControlAway, type ControlClient } from "../control-client.ts";
import type { Metrics } from "../metrics.ts";
import type { DiskCache } from "./disk-cache.ts";
import { type ModelPool, reasonOf } from "./model-pool.ts";
import { isForHere, placedHere } from "./placement-guard.ts";
import {
  type ActiveRoute,
  activate,
  type GrantsIndex,
  indexGrants,
  keyOf,
  type ServingState,
} from "./serving-state.ts";
import { learnKeys, loadTrust, signingKeys, type Trust } from "./trust.ts";

export interface SnapshotManagerDeps {
  readonly cache: DiskCache;
  readonly control: ControlClient;
  readonly pool: ModelPool;
  readonly environments: readonly Environment[];
  /** Where this gateway stands. */
  readonly place: Place;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Called for every model that is refused: it becomes a record. */
  readonly onModelRefused: (route: ActiveRoute) => void;
}

const waitMs = 20_000;
const retryMs = 1000;
const snapshotFile = "snapshot.json";

/** Keeps the newest good snapshot in force: from disk at once, from control whenever it has a newer one. */
export class SnapshotManager {
  readonly #deps: SnapshotManagerDeps;
  readonly #stop = new AbortController();
  #trust: Trust | undefined;
  #state: ServingState | undefined;
  #signed: unknown;
  #loop: Promise<void> = Promise.resolve();
  /** True while the last word from control was an answer. */
  controlReachable = false;

  constructor(deps: SnapshotManagerDeps) {
    this.#deps = deps;
  }

  get state(): ServingState | undefined {
    return this.#state;
  }

  /** Serves from disk when it can, then follows control in the background. Resolves once disk was tried. */
  async start(): Promise<void> {
    const { cache, log } = this.#deps;
    const stored = cache.readJson(snapshotFile);
    if (stored !== undefined) {
      try {
        this.#trust = await loadTrust(cache, this.#deps.control);
        await this.#consider(stored, "disk");
      } catch (error) {
        log.warn({ reason: messageOf(error) }, "gateway.snapshot.disk_unusable");
      }
    }
    this.#loop = this.#follow();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
    await this.#deps.pool.keepOnly(new Set());
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
    const isMissing = [...(this.#state?.routes.values() ?? [])].some((route) => canHeal(route));
    const hold = this.#state && this.controlReachable && !isMissing ? waitMs : 0;
    const fetched = await Promise.race([
      control.latestSnapshot(this.#state?.manifest.version ?? 0, hold),
      aborted(this.#stop.signal),
    ]);
    if (fetched !== undefined) await this.#consider(fetched, "control");
    else if (isMissing && this.#signed) await this.#reload();
    if (hold === 0 && (isMissing || fetched === undefined))
      await sleep(retryMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
  }

  async #consider(signed: unknown, from: "disk" | "control"): Promise<void> {
    const { log, metrics, cache } = this.#deps;
    if (!this.#trust) throw new ControlAway("no trust anchor");
    const verdict = verifySnapshot(signed, {
      keys: signingKeys(this.#trust.keys),
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
    const next = await this.#build(verdict.manifest);
    if (from === "control") cache.writeJson(snapshotFile, signed as SignedSnapshot);
    this.#signed = signed;
    await this.#swap(next);
    log.info(
      { version: verdict.manifest.version, from, routes: next.routes.size },
      "gateway.snapshot.serving",
    );
  }

  /** Tries models again that failed for a reason that may have passed. */
  async #reload(): Promise<void> {
    const manifest = this.#state?.manifest;
    if (manifest) await this.#swap(await this.#build(manifest));
  }

  async #swap(next: ServingState): Promise<void> {
    this.#state = next;
    const used = new Set(
      [...next.routes.values()].flatMap((route) => (route.model ? [route.route.model.digest] : [])),
    );
    await this.#deps.pool.keepOnly(used);
  }

  async #build(manifest: SnapshotManifest): Promise<ServingState> {
    const keysPart = manifest.parts.find((part) => part.kind === "keys");
    if (!keysPart) throw new ControlAway("the snapshot has no keys part");
    const keys = required(readKeysPart(await this.#bytes(keysPart), keysPart)).keys;
    const grants = new Map<Environment, GrantsIndex>();
    const routes: Route[] = [];
    for (const part of manifest.parts) {
      if (!part.environment || !this.#deps.environments.includes(part.environment)) continue;
      if (!isForHere(part, this.#deps.place)) continue;
      const bytes = await this.#bytes(part);
      if (part.kind === "identity")
        grants.set(
          part.environment,
          indexGrants(required(checkedJson(bytes, part)) as unknown as GatewayGrants),
        );
      else if (part.kind === "routes") routes.push(...required(readRoutesPart(bytes, part)).routes);
    }
    if (this.#trust) this.#trust = learnKeys(this.#deps.cache, this.#trust, keys);
    const active = await Promise.all(
      placedHere(routes, this.#deps.place, this.#deps).map((route) =>
        this.#activate(route, manifest, signingKeys(keys)),
      ),
    );
    return { manifest, grants, routes: new Map(active.map((route) => [keyOf(route.route), route])) };
  }

  async #activate(
    route: Route,
    manifest: SnapshotManifest,
    keys: readonly SigningKey[],
  ): Promise<ActiveRoute> {
    try {
      return activate(route, manifest.version, await this.#deps.pool.acquire(route.model, keys));
    } catch (error) {
      const problem = reasonOf(error);
      this.#deps.log.error(
        { endpoint: route.endpoint, model: `${route.model.name}/${route.model.version}`, ...problem },
        "gateway.model.refused",
      );
      const refused = activate(route, manifest.version, undefined, problem);
      this.#deps.onModelRefused(refused);
      return (await this.#previous(route, manifest, keys)) ?? refused;
    }
  }

  /** The version that served before, as long as its own signature still counts. */
  async #previous(
    route: Route,
    manifest: SnapshotManifest,
    keys: readonly SigningKey[],
  ): Promise<ActiveRoute | undefined> {
    const before = this.#state?.routes.get(keyOf(route));
    if (!before?.model || before.route.model.digest === route.model.digest) return undefined;
    try {
      const model = await this.#deps.pool.acquire(before.route.model, keys);
      return activate(
        { ...route, model: before.route.model, features: before.route.features },
        manifest.version,
        model,
      );
    } catch (error) {
      reasonOf(error);
      return undefined;
    }
  }

  async #bytes(part: SnapshotPart): Promise<Uint8Array> {
    const cached = await this.#deps.cache.read(part.digest);
    if (cached.kind === "found") return cached.bytes;
    const bytes = await this.#deps.control.part(part.digest);
    this.#deps.cache.write(part.digest, bytes);
    return bytes;
  }

  #failed(error: unknown): void {
    if (this.controlReachable || !(error instanceof ControlAway))
      this.#deps.log.warn({ reason: messageOf(error) }, "gateway.control.away");
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

/** Damaged bytes are fetched again; a quarantined or badly signed model stays out until a new snapshot. */
function canHeal(route: ActiveRoute): boolean {
  return route.problem?.code === "serving.model_refused" && /stored bytes/.test(route.problem.detail);
}

function required<T>(verdict: { kind: "part"; value: T } | { kind: "bad"; detail: string }): T {
  if (verdict.kind === "bad") throw new ControlAway(verdict.detail);
  return verdict.value;
}

async function aborted(signal: AbortSignal): Promise<undefined> {
  if (signal.aborted) return undefined;
  await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  return undefined;
}
