import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Metrics } from "@portolan/telemetry";

const resolutionMs = 20;
const everyMs = 1000;

/**
 * By how much this process's event loop is late: every second the 99th percentile of that second, milliseconds, as a metric and to `heed`.
 * @returns stops it
 */
export function watchLoopDelay(metrics: Metrics, heed: (lateMs: number) => void): () => void {
  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  delay.enable();
  // A process that has just started was busy with that.
  let isStarting = true;
  const timer = setInterval(() => {
    const lateMs = Math.max(0, delay.percentile(99) / 1e6 - resolutionMs);
    delay.reset();
    if (isStarting) isStarting = false;
    else {
      const help = "99th percentile by which the event loop was late in the last second";
      metrics.gauge("portolan_gateway_event_loop_delay_seconds", help, {}, lateMs / 1000);
      heed(lateMs);
    }
  }, everyMs).unref();
  return () => {
    clearInterval(timer);
    delay.disable();
  };
}
