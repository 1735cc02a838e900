import { environments } from "@portolan/kernel";
import { overdueCheckpoints } from "@portolan/training";
import { Gauge, type Registry } from "prom-client";
import { type DataMetricsDeps, readInTime, sharedForAWhile } from "./data-metrics.ts";

/** Checkpoints are declared in seconds. */
const restMicros = 5_000_000;

/**
 * How many runs miss the checkpoint that they declared, by environment; read when it is asked for, every five seconds at most. Absent while the
 * database does not answer.
 */
export function addTrainingMetrics(registry: Registry, deps: DataMetricsDeps): void {
  const overdue = new Gauge({
    name: "portolan_training_checkpoints_overdue",
    help: "Training runs under way whose last checkpoint is older than they declared",
    labelNames: ["environment"],
    registers: [registry],
    collect: sharedForAWhile(deps.clock, () => refresh(), restMicros),
  });
  const refresh = async (): Promise<void> => {
    const found = await readInTime(deps, overdueCheckpoints);
    overdue.reset();
    if (!found) return;
    for (const environment of environments) overdue.set({ environment }, 0);
    for (const { environment, runs } of found) overdue.set({ environment }, runs);
  };
}
