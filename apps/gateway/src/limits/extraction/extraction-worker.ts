import { parentPort, workerData } from "node:worker_threads";
import { ExtractionMonitor, seededDraws } from "@portolan/serving/policy";
import type { GuardReport, GuardSettings, SampleBatch } from "./messages.ts";

/** The thread in which windows are filled and judged: beside the hot path, at the pace that it has. */
const settings = workerData as GuardSettings;
const windowsToLearn = 40;
const mostClients = 500;
/** Endpoints watched at once; beyond it the one that was silent longest is learnt anew. */
const mostMonitors = 100;
const monitors = new Map<string, ExtractionMonitor>();

function monitorOf(key: string): ExtractionMonitor {
  const known = monitors.get(key);
  monitors.delete(key);
  const monitor =
    known ??
    new ExtractionMonitor({
      ...settings,
      learnQueries: windowsToLearn * settings.windowQueries,
      maxClients: mostClients,
      draws: seededDraws(1),
    });
  monitors.set(key, monitor);
  const oldest = monitors.size > mostMonitors ? monitors.keys().next().value : undefined;
  if (oldest !== undefined) monitors.delete(oldest);
  return monitor;
}

parentPort?.on("message", ({ key, clients, rows, labels, margins, asked, nowMicros }: SampleBatch) => {
  const monitor = monitorOf(key);
  const width = rows.length / Math.max(1, clients.length);
  clients.forEach((client, i) => {
    const row = rows.subarray(i * width, (i + 1) * width);
    monitor.add(client, { row, label: labels[i] ?? 0, margin: margins[i] ?? Number.NaN });
  });
  for (const [client, queries] of asked) monitor.countVolume(client, queries, nowMicros);
  const report: GuardReport = { key, findings: monitor.judge(), learned: monitor.learned };
  parentPort?.postMessage(report);
});
