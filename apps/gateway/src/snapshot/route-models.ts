import { setTimeout as sleep } from "node:timers/promises";
import { type Logger, messageOf, PortolanError, type SigningKey } from "@portolan/kernel";
import type { ModelReference, Route, SnapshotManifest } from "@portolan/serving/contract";
import { ControlAway } from "../control-client.ts";
import { BytesRefused, labelOf, type ModelPool } from "./model-pool.ts";
import { EvidenceAbsent, ReleaseEvidence } from "./release-evidence.ts";
import {
  type ActiveRoute,
  activate,
  keyOf,
  modelsOf,
  type ReadyModel,
  type RouteProblem,
  standInOf,
} from "./serving-state.ts";

export interface RouteModelsDeps {
  readonly pool: ModelPool;
  readonly log: Logger;
  /** Called when a route of the current generation gets a model, or another reason for having none. */
  readonly onChange: (route: ActiveRoute) => void;
  /** Called once for every model that is refused: it becomes a record. */
  readonly onModelRefused: (route: ActiveRoute) => void;
}

/** The routes of one snapshot and the keys that models are verified with. */
export interface Generation {
  readonly manifest: SnapshotManifest;
  readonly routes: readonly Route[];
  readonly keys: readonly SigningKey[];
}

const firstRetryMs = 1000;
const longestRetryMs = 30_000;
const waiting: RouteProblem = { code: "serving.model_unavailable", detail: "The model is being loaded." };

interface Failure extends RouteProblem {
  /** For the log; callers are told less. */
  readonly reason: string;
  readonly mayHeal: boolean;
  /** Bytes or signature were refused, which is an event of its own. */
  readonly isDenial: boolean;
}

/**
 * Brings the routes of a snapshot and their models together, beside the snapshot's way: a model that cannot be had
 * delays neither a revocation nor another route.
 */
export class RouteModels {
  readonly #deps: RouteModelsDeps;
  readonly #evidence: ReleaseEvidence;
  /** By route and model: why it could not be had, until it can. Survives re-signed snapshots. */
  readonly #failures = new Map<string, Failure>();
  #current: Generation | undefined;
  #stop = new AbortController();
  #firstAttempts: Promise<unknown> = Promise.resolve();

  constructor(deps: RouteModelsDeps) {
    this.#deps = deps;
    this.#evidence = new ReleaseEvidence((digest) => deps.pool.bytes(digest));
  }

  /** The generation's routes with the models that are loaded already; the others follow through `onChange`. */
  begin(generation: Generation): Map<string, ActiveRoute> {
    this.#stop.abort();
    this.#stop = new AbortController();
    this.#current = generation;
    this.#deps.pool.scaleBy(generation.routes);
    const active = new Map(
      generation.routes.map((route) => [keyOf(route), this.#now(route, generation)] as const),
    );
    const pending = generation.routes.filter((route) => {
      const ready = this.#readyOn(route, generation);
      return modelsOf(route).some((model) => !ready(model));
    });
    this.#firstAttempts = Promise.all(
      pending.map((route) => new Promise<void>((resolve) => void this.#pursue(route, generation, resolve))),
    );
    void this.#prune();
    return active;
  }

  /** Resolves when every model of the current generation was tried once. */
  async settled(): Promise<void> {
    await this.#firstAttempts;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#current = undefined;
    await this.#deps.pool.keepOnly([]);
  }

  /** Without touching disk or network: the route's own model, else its stand-in, else a reason. */
  #now(route: Route, generation: Generation): ActiveRoute {
    if (this.#readyOn(route, generation)(route.model)) return this.#activate(route, generation);
    // The full attempt that follows finds and reports why.
    return this.#withProblem(route, generation, this.#failures.get(failureKey(route)) ?? waiting);
  }

  #activate(route: Route, generation: Generation): ActiveRoute {
    return activate(route, generation.manifest.version, this.#readyOn(route, generation));
  }

  #withProblem(route: Route, generation: Generation, problem: RouteProblem): ActiveRoute {
    const { version } = generation.manifest;
    const ready = this.#readyOn(route, generation);
    return standInOf(route, version, ready, problem) ?? activate(route, version, ready, problem);
  }

  #readyOn(route: Route, { keys }: Generation): ReadyModel {
    return (reference) => {
      if (!this.#evidence.isShown(route, reference, keys)) return undefined;
      try {
        return this.#deps.pool.ready(reference, keys);
      } catch {
        return undefined; // refused under the keys of the day
      }
    };
  }

  /** Tries until the model serves, the snapshot is replaced, or trying again cannot help. */
  async #pursue(route: Route, generation: Generation, tried: () => void): Promise<void> {
    const { signal } = this.#stop;
    for (let delayMs = firstRetryMs; ; delayMs = Math.min(2 * delayMs, longestRetryMs)) {
      const mayHeal = await this.#attempt(route, generation);
      tried();
      if (this.#current !== generation) break;
      if (!mayHeal) break;
      await sleep(delayMs, undefined, { signal }).catch(() => undefined);
    }
    await this.#prune();
  }

  /** @returns whether another attempt may do better */
  async #attempt(route: Route, generation: Generation): Promise<boolean> {
    const { onChange } = this.#deps;
    try {
      await this.#acquire(route, route.model, generation);
      if (this.#current !== generation) return false;
      this.#failures.delete(failureKey(route));
      onChange(this.#activate(route, generation));
      return await this.#attemptOthers(route, generation);
    } catch (error) {
      if (this.#current !== generation) return false;
      const failure = this.#note(route, generation, judge(route.model, error));
      if (route.previous) await this.#acquire(route, route.previous.model, generation).catch(() => undefined);
      const othersMayHeal = await this.#attemptOthers(route, generation);
      if (this.#current !== generation) return false;
      onChange(this.#withProblem(route, generation, failure));
      return failure.mayHeal || othersMayHeal;
    }
  }

  async #acquire(route: Route, reference: ModelReference, { keys }: Generation): Promise<void> {
    await this.#evidence.require(route, reference, keys);
    await this.#deps.pool.acquire(reference, keys);
  }

  /** Variants and fallbacks: what one of them lacks costs the others, and the champion, nothing. */
  async #attemptOthers(route: Route, generation: Generation): Promise<boolean> {
    const { onChange } = this.#deps;
    let mayHeal = false;
    for (const reference of modelsOf(route).slice(1)) {
      const other = { ...route, model: reference };
      try {
        if (this.#readyOn(route, generation)(reference)) continue;
        await this.#acquire(route, reference, generation);
        if (this.#current !== generation) return false;
        this.#failures.delete(failureKey(other));
        onChange(this.#now(route, generation));
      } catch (error) {
        if (this.#current !== generation) return false;
        const failure = this.#note(other, generation, judge(reference, error));
        mayHeal ||= failure.mayHeal;
      }
    }
    return mayHeal;
  }

  /** Logs and records a failure once, however often it is met again. */
  #note(route: Route, generation: Generation, failure: Failure): Failure {
    const known = this.#failures.get(failureKey(route));
    if (known?.isDenial && !failure.isDenial) return { ...known, mayHeal: true }; // what was refused says more than "not here"
    if (known?.reason === failure.reason) return failure;
    this.#failures.set(failureKey(route), failure);
    const { endpoint, environment } = route;
    const { code, reason } = failure;
    this.#deps.log.error(
      { endpoint, environment, model: labelOf(route.model), code, reason },
      failure.isDenial ? "gateway.model.refused" : "gateway.model.unavailable",
    );
    if (failure.isDenial)
      this.#deps.onModelRefused(activate(route, generation.manifest.version, () => undefined, failure));
    return failure;
  }

  /** What a route may still need stays loaded; all else goes. */
  async #prune(): Promise<void> {
    const routes = this.#current?.routes ?? [];
    const needed = routes.flatMap((route) =>
      this.#isServing(route) || !route.previous
        ? modelsOf(route)
        : [...modelsOf(route), route.previous.model],
    );
    const current = new Set(
      routes.flatMap((route) => modelsOf(route).map((model) => failureKey({ ...route, model }))),
    );
    for (const key of this.#failures.keys()) if (!current.has(key)) this.#failures.delete(key);
    this.#evidence.keepOnly(needed);
    await this.#deps.pool.keepOnly(needed);
  }

  #isServing(route: Route): boolean {
    return this.#current !== undefined && this.#readyOn(route, this.#current)(route.model) !== undefined;
  }
}

function failureKey(route: Route): string {
  return `${keyOf(route)} ${route.model.digest} ${route.model.bundle.digest}`;
}

function judge(reference: ModelReference, error: unknown): Failure {
  const reason = messageOf(error);
  if (error instanceof ControlAway)
    return {
      code: "serving.model_unavailable",
      detail: `The bytes of ${labelOf(reference)} are not here yet, and control does not give them.`,
      reason,
      mayHeal: true,
      isDenial: false,
    };
  if (error instanceof PortolanError)
    return {
      code: String(error.code),
      detail: error.detail ?? error.message,
      reason,
      mayHeal: error instanceof BytesRefused,
      // Too large is nobody's fault but the budget's, and what is not here yet nobody's: no bytes and no signature were refused.
      isDenial: error.code !== "serving.model_too_large" && !(error instanceof EvidenceAbsent),
    };
  return { code: "serving.model_unavailable", detail: reason, reason, mayHeal: true, isDenial: true };
}
