import { setTimeout as sleep } from "node:timers/promises";
import { type Logger, messageOf } from "@portolan/kernel";
import type { PredictionWriter } from "@portolan/predictions/contract";
import type { Metrics } from "@portolan/telemetry";
import type { ControlClient } from "../control-client.ts";
import { watchLoopDelay } from "../loop-delay.ts";
import type { DiskCache } from "../snapshot/disk-cache.ts";
import type { ActiveRoute } from "../snapshot/serving-state.ts";
import { CountBudget } from "./count-budget.ts";
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

/** While control is away counts are gathered for longer: by default for five minutes, as long as a window is. */
const awayFactor = 10;
const lastDeliveryMs = 2000;
/** Counts in memory: 600 windows of the 26,000 cells of a thousand numeric columns, 10,000 of those of sixty. */
const mostCountBytes = 64 * 2 ** 20;
/** Callers who state times all over the past make windows faster than a disk should take them. */
const soonestMs = 1000;

/** Starts counting and delivering. */
export function openDrift(deps: OpenDriftDeps): Drift {
  const { folder, writer, metrics, log, control, cache } = deps;
  const profiles = new ProfileBook({ cache, control, log, nowMs: () => performance.now() });
  const budget = new CountBudget(mostCountBytes, () => pace.soon());
  const book = new DriftBook(profiles, deps.laggingMs, budget);
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
  metrics.onScrape(() => scrape(metrics, book, budget, spool));
  /** @returns how many parts could not be written down */
  const keep = async (): Promise<number> => {
    const drained = book.drain();
    const left = await spool.keep(drained);
    book.settle(drained, left);
    return left.length;
  };
  const pace = flushing(deps, spool, keep);
  // Fewer requests are counted while the event loop is late.
  const stopHeeding = watchLoopDelay(metrics, (lateMs) => book.heed(lateMs));
  return {
    book,
    prepare: (routes) =>
      profiles.prepare(
        [...routes].flatMap(({ route }) => (route.profiles ?? []).map(({ digest }) => digest)),
      ),
    async close() {
      stopHeeding();
      await pace.stop();
      if ((await keep()) > 0) dropped("disk", 1);
      await Promise.race([spool.ship().catch(() => undefined), sleep(lastDeliveryMs)]);
      await spool.close();
    },
  };
}

interface Pace {
  /** Writes down before its time, at most once a second. */
  soon(): void;
  /** Resolves once what is under way is over. */
  stop(): Promise<void>;
}

function flushing({ flushMs, log }: OpenDriftDeps, spool: DriftSpool, keep: () => Promise<unknown>): Pace {
  let keptMs = performance.now();
  let keeping: Promise<unknown> | undefined;
  let shipping: Promise<void> | undefined;
  let early: NodeJS.Timeout | undefined;
  const write = (): Promise<unknown> => {
    keptMs = performance.now();
    keeping ??= keep().finally(() => (keeping = undefined));
    return keeping;
  };
  const flush = async (): Promise<void> => {
    // What waits is tried at the usual pace; new counts are written down at the slower one.
    const waitMs = spool.isAway ? flushMs * awayFactor : flushMs;
    if (performance.now() - keptMs >= waitMs) await write();
    await spool.ship();
  };
  const timer = setInterval(() => {
    shipping ??= flush()
      .catch((error: unknown) => log.warn({ reason: messageOf(error) }, "gateway.drift.not_delivered"))
      .finally(() => (shipping = undefined));
  }, flushMs).unref();
  return {
    soon() {
      const writeNow = (): void => {
        early = undefined;
        write().catch((error: unknown) =>
          log.warn({ reason: messageOf(error) }, "gateway.drift.not_written"),
        );
      };
      early ??= setTimeout(writeNow, Math.max(0, keptMs + soonestMs - performance.now())).unref();
    },
    async stop() {
      clearInterval(timer);
      clearTimeout(early);
      await Promise.allSettled([keeping, shipping]);
    },
  };
}

/** Statuses that say nothing about the counts: they are sent again. */
const passing: ReadonlySet<number> = new Set([401, 404, 408, 429]);

function deliverTo(control: ControlClient): DeliverDrift {
  return async (body, signal) => {
    try {
      const { status } = await control.post("/v1/drift-counts", body, signal, "application/json");
      if (status === 200) return "taken";
      if (status === 403) return "forbidden";
      if (status === 413) return "too_large";
      return status >= 500 || passing.has(status) ? "away" : "refused";
    } catch {
      return "away";
    }
  };
}

function scrape(metrics: Metrics, book: DriftBook, budget: CountBudget, spool: DriftSpool): void {
  metrics.gauge(
    "portolan_gateway_drift_counted_rows",
    "Rows counted for drift since the start",
    {},
    book.rows,
  );
  metrics.gauge(
    "portolan_gateway_drift_uncounted_rows",
    "Rows that were not counted since the start, for want of memory",
    {},
    budget.uncountedRows,
  );
  metrics.gauge("portolan_gateway_drift_one_in", "One of how many requests is counted", {}, book.oneIn);
  metrics.gauge(
    "portolan_gateway_drift_waiting_deliveries",
    "Deliveries of counts that control has not acknowledged",
    {},
    spool.waiting,
  );
}
