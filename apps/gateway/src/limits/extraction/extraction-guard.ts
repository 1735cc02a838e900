import { Worker } from "node:worker_threads";
import { type Clock, type Logger, messageOf } from "@portolan/kernel";
import type { PredictionContext } from "@portolan/predictions/contract";
import type { Finding, Tensor } from "@portolan/serving/policy";
import type { Metrics } from "@portolan/telemetry";
import { type ActiveRoute, watchedModel } from "../../snapshot/serving-state.ts";
import type { GuardReport, GuardSettings } from "./messages.ts";
import { QuerySampler } from "./query-sampler.ts";
import type { ExtractionAction, Standings } from "./standings.ts";

export interface ExtractionGuardOptions {
  /** What is done about a flagged client; flagging itself is always done. */
  readonly action: ExtractionAction;
  readonly settings: GuardSettings;
  readonly standings: Standings;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** Puts a flagged client on the record. */
  readonly onFlagged: (context: PredictionContext, principalId: string) => void;
}

/** A flag holds for as long after the last window that called for it. */
const holdMs = 3_600_000;
const flushEveryMs = 1000;
/** Batches that the worker has not answered; beyond it samples are dropped rather than kept. */
const mostPending = 8;
const restartAfterMs = 60_000;
/** Endpoints and model versions at once. */
const mostWatched = 100;
/** A thread that needs more is ended, and the gateway goes on without it for a minute. */
const resourceLimits = { maxOldGenerationSizeMb: 256 };
const worker = new URL("./extraction-worker.ts", import.meta.url);

/** What is kept of a route: not its model, which must be free to go. */
interface Sampled {
  readonly sampler: QuerySampler;
  readonly endpointId: string;
  readonly endpoint: string;
  readonly environment: string;
  readonly context: PredictionContext;
}

/**
 * Watches how clients ask, for those that copy a model (ADR 0088). The hot path hands queries over; a thread of its own looks at them; what it
 * finds becomes a standing that the limits keep.
 */
export class ExtractionGuard {
  readonly #options: ExtractionGuardOptions;
  readonly #samplers = new Map<string, Sampled>();
  readonly #byRoute = new WeakMap<ActiveRoute, QuerySampler>();
  readonly #timer: NodeJS.Timeout;
  #worker: Worker | undefined;
  #failedMs = Number.NEGATIVE_INFINITY;
  #pending = 0;

  constructor(options: ExtractionGuardOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#flush(), flushEveryMs).unref();
    options.metrics.onScrape(() => this.#scrape());
  }

  /** One answered request. */
  observe(
    active: ActiveRoute,
    principalId: string,
    inputs: readonly Tensor[],
    outputs: readonly Tensor[],
  ): void {
    const sampler = this.#samplerFor(active);
    if (sampler.add(principalId, inputs, outputs, performance.now())) this.#send(sampler);
  }

  /** Queries that bring no inputs and get no answer of a model, as reads of its features do: they count for how much a client asks, and for nothing else. */
  countAsked(active: ActiveRoute, principalId: string, queries: number): void {
    this.#samplerFor(active).count(principalId, queries);
  }

  #samplerFor(active: ActiveRoute): QuerySampler {
    const sampler = this.#byRoute.get(active) ?? this.#samplerOf(active);
    this.#byRoute.set(active, sampler);
    return sampler;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    const { promise, resolve } = Promise.withResolvers<void>();
    if (!this.#worker) return;
    this.#worker.once("exit", () => resolve());
    void this.#worker.terminate();
    await promise;
  }

  /**
   * A new snapshot makes new routes of the same endpoint and model: they go on with what was learnt. Versions that were replaced are
   * forgotten in the order in which they last came into force.
   */
  #samplerOf(active: ActiveRoute): QuerySampler {
    const { route, context } = active;
    const { endpointId, endpoint, environment } = route;
    const key = `${endpointId}/${watchedModel(active).digest}`;
    const sampler = this.#samplers.get(key)?.sampler ?? new QuerySampler(key);
    this.#samplers.delete(key);
    this.#samplers.set(key, { sampler, endpointId, endpoint, environment, context });
    const oldest = this.#samplers.size > mostWatched ? this.#samplers.keys().next().value : undefined;
    if (oldest !== undefined) this.#samplers.delete(oldest);
    return sampler;
  }

  #flush(): void {
    for (const { sampler } of this.#samplers.values()) this.#send(sampler);
  }

  #send(sampler: QuerySampler): void {
    const batch = sampler.drain(this.#options.clock.now());
    if (!batch) return;
    const thread = this.#pending < mostPending ? this.#running() : undefined;
    if (!thread) {
      this.#count(
        "portolan_gateway_extraction_dropped_total",
        "Samples that the guard's thread was too slow for",
        {},
        batch.clients.length,
      );
      return;
    }
    this.#pending++;
    thread.postMessage(batch, [batch.rows.buffer as ArrayBuffer]);
  }

  /** Started by the first batch; a minute after it failed, again. */
  #running(): Worker | undefined {
    if (this.#worker) return this.#worker;
    if (performance.now() - this.#failedMs < restartAfterMs) return undefined;
    const thread = new Worker(worker, { workerData: this.#options.settings, resourceLimits });
    thread.unref();
    thread.on("message", (report: GuardReport) => {
      this.#pending--;
      this.#heed(report);
    });
    thread.on("error", (error) => {
      this.#options.log.error({ reason: messageOf(error) }, "gateway.extraction.thread_failed");
      this.#failedMs = performance.now();
      this.#worker = undefined;
      this.#pending = 0;
    });
    this.#worker = thread;
    return thread;
  }

  #heed({ key, findings, learned }: GuardReport): void {
    const watched = this.#samplers.get(key);
    if (!watched) return;
    const { endpoint, environment } = watched;
    this.#options.metrics.gauge(
      "portolan_gateway_extraction_learned",
      "Part of the benign queries that the guard has learnt from; it judges from 1 on",
      { endpoint, environment },
      learned,
    );
    for (const finding of findings) this.#act(watched, finding);
  }

  #act({ endpoint, environment, endpointId, context }: Sampled, { client, kind, by, p }: Finding): void {
    const { action, standings, log, onFlagged } = this.#options;
    this.#count("portolan_gateway_extraction_findings_total", "What the extraction guard found", {
      endpoint,
      environment,
      kind,
      by,
    });
    if (kind !== "flagged") return;
    const standing = standings.of(endpointId, client);
    const nowMs = performance.now();
    const isNew = standing.untilMs <= nowMs;
    standing.action = action;
    standing.untilMs = nowMs + holdMs;
    if (!isNew) return;
    log.warn({ endpoint, environment, principal: client, by, p, action }, "gateway.extraction.flagged");
    onFlagged(context, client);
  }

  #count(name: string, help: string, labels: Record<string, string>, by = 1): void {
    this.#options.metrics.count(name, help, labels, by);
  }

  #scrape(): void {
    const { metrics, standings } = this.#options;
    for (const [action, count] of Object.entries(standings.count(performance.now())))
      metrics.gauge(
        "portolan_gateway_extraction_standings",
        "Clients whose way of asking has consequences now",
        { action },
        count,
      );
  }
}
