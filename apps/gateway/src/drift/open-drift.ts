import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { type Logger, messageOf } from "@portolan/kernel";
import type { PredictionWriter } from "@portolan/predictions";
import type { Metrics } from "@portolan/telemetry";
import type { ControlClient } from "../control-client.ts";
import type { DiskCache } from "../snapshot/disk-cache.ts";
import type { ActiveRoute } from "../snapshot/serving-state.ts";
import { DriftBook } from "./drift-book.ts";
import { type DeliverDrift, DriftSpool, type DropReason } from "./drift-spool.ts";
import { ProfileBook } from "./profile-book.ts";

export interface OpenDriftDeps {
  readonly folder: string;
  readonly flushMs: number;
  /** Delay of the event loop beyond which fewer requests are counted; 0: never. */
  readonly laggingMs: number;
  readonly cache: DiskCache;
  readonly control: ControlClient;
  readonly writer: Pick<PredictionWriter, "writerId" | "epoch">;
  readonly metrics: Metrics;
  readonly log: Logger;
}

export interface Drift {
  readonly book: DriftBook;
  /** Fetches the reference profiles that routes name. Never rejects. */
  prepare(routes: Iterable<ActiveRoute>): Promise<void>;
  /** Writes down what was counted and delivers what it can. Never rejects. */
  close(): Promise<void>;
}

const loopResolutionMs = 20;
const heedEveryMs = 1000;
/** While control is away counts are gathered for longer: by default for five minutes, as long as a window is. */
const awayFactor = 10;
const lastDeliveryMs = 2000;

/** Starts counting and delivering. */
export function openDrift(deps: OpenDriftDeps): Drift {
  const { folder, writer, metrics, log, control, cache } = deps;
  const profiles = new ProfileBook({ cache, control, log, nowMs: () => performance.now() });
  const book = new DriftBook(profiles, deps.laggingMs);
  const dropped = (reason: DropReason, deliveries: number): void => {
    log.error({ reason, deliveries }, "gateway.drift.dropped");
    const help = "Deliveries of counts that were given up";
    metrics.count("portolan_gateway_drift_dropped_total", help, { reason }, deliveries);
  };
  const spool = new DriftSpool({
    folder,
    writer: writer.writerId,
    epoch: writer.epoch,
    deliver: deliverTo(control),
    onDropped: dropped,
    onUnwritten: (error) => log.warn({ reason: messageOf(error) }, "gateway.drift.not_written"),
  });
  metrics.onScrape(() => scrape(metrics, book, spool));
  const keep = async (): Promise<void> => book.giveBack(await spool.keep(book.drain()));
  const flush = async (): Promise<void> => {
    await keep();
    await spool.ship();
  };
  const stopFlushing = flushing(deps, spool, flush);
  const stopHeeding = heeding(book);
  return {
    book,
    prepare: (routes) =>
      profiles.prepare(
        [...routes].flatMap(({ route }) => (route.profiles ?? []).map(({ digest }) => digest)),
      ),
    async close() {
      stopHeeding();
      await stopFlushing();
      const lost = await spool.keep(book.drain());
      if (lost.length > 0) dropped("disk", 1);
      await Promise.race([spool.ship().catch(() => undefined), sleep(lastDeliveryMs)]);
      await spool.close();
    },
  };
}

/** @returns stops it, once the flush under way is over */
function flushing(
  { flushMs, log }: OpenDriftDeps,
  spool: DriftSpool,
  flush: () => Promise<void>,
): () => Promise<void> {
  let lastMs = performance.now();
  let running: Promise<void> | undefined;
  const timer = setInterval(() => {
    const waitMs = spool.waiting > 0 ? flushMs * awayFactor : flushMs;
    // What waits is tried at the usual pace; new counts are written down at the slower one.
    const work = performance.now() - lastMs >= waitMs ? flush : () => spool.ship();
    if (running) return;
    if (work === flush) lastMs = performance.now();
    running = work()
      .catch((error: unknown) => log.warn({ reason: messageOf(error) }, "gateway.drift.not_delivered"))
      .finally(() => (running = undefined));
  }, flushMs).unref();
  return async () => {
    clearInterval(timer);
    await running;
  };
}

/** Counts fewer requests while the event loop is late. @returns stops it */
function heeding(book: DriftBook): () => void {
  const delay = monitorEventLoopDelay({ resolution: loopResolutionMs });
  delay.enable();
  // A process that has just started was busy with that.
  let isStarting = true;
  const timer = setInterval(() => {
    if (!isStarting) book.heed(delay.percentile(99) / 1e6 - loopResolutionMs);
    isStarting = false;
    delay.reset();
  }, heedEveryMs).unref();
  return () => {
    clearInterval(timer);
    delay.disable();
  };
}

/** Statuses that say nothing about the counts: they are sent again. */
const passing: ReadonlySet<number> = new Set([401, 403, 404, 408, 429]);

function deliverTo(control: ControlClient): DeliverDrift {
  return async (body, signal) => {
    try {
      const { status } = await control.post("/v1/drift-counts", body, signal, "application/json");
      if (status === 200) return "taken";
      return status >= 500 || passing.has(status) ? "away" : "refused";
    } catch {
      return "away";
    }
  };
}

function scrape(metrics: Metrics, book: DriftBook, spool: DriftSpool): void {
  metrics.gauge(
    "portolan_gateway_drift_counted_rows",
    "Rows counted for drift since the start",
    {},
    book.rows,
  );
  metrics.gauge("portolan_gateway_drift_one_in", "One of how many requests is counted", {}, book.oneIn);
  metrics.gauge(
    "portolan_gateway_drift_waiting_deliveries",
    "Deliveries of counts that control has not acknowledged",
    {},
    spool.waiting,
  );
}
