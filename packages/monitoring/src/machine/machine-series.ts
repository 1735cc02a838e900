import { type CountedOverTime, widened } from "../timeline/timeline-series.ts";
import { type MachineThing, machineEdges, machineThings } from "./machine-minutes.ts";
import type { machinesWithin } from "./machine-store.ts";

const words: Readonly<Record<MachineThing, Pick<CountedOverTime, "unit"> & { readonly text: string }>> = {
  processors: { text: "processors", unit: "percent" },
  memory: { text: "memory", unit: "percent" },
  network: { text: "network", unit: "bytes" },
  disks: { text: "busiest disk", unit: "percent" },
  cards: { text: "busiest graphics card", unit: "percent" },
  cardMemory: { text: "memory of the fullest graphics card", unit: "percent" },
};

/**
 * A machine is never still: its seconds hang together, and it wavers with the hour. Only a large shift is a move of one (by the usual reading
 * of a population stability index).
 */
const leastPsi = 0.25;

/** Series of machines, by name and thing. Pure. */
export function machineSeries(
  minutes: Awaited<ReturnType<typeof machinesWithin>>,
  width: number,
): CountedOverTime[] {
  return [...Map.groupBy(minutes, ({ machine }) => machine)].flatMap(([machine, own]) =>
    machineThings.map((thing): CountedOverTime => {
      const { text, unit } = words[thing];
      return {
        layer: "infrastructure",
        what: `${text} of ${machine}`,
        unit,
        edges: machineEdges[thing],
        leastPsi,
        width,
        buckets: widened(
          own.filter(({ what }) => what === thing),
          width,
        ),
      };
    }),
  );
}
