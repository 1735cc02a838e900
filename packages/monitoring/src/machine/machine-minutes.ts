import { minuteMicros } from "../objectives/count-requests.ts";

/** What is looked at of a machine. */
export const machineThings = ["processors", "memory", "network", "disks", "cards", "cardMemory"] as const;
export type MachineThing = (typeof machineThings)[number];

/** One look: absent is what the machine does not tell. */
export interface MachineSample {
  /** Of all processors since the last look, percent. */
  readonly processors?: number;
  /** In use and not to be given back, percent of what there is. */
  readonly memory?: number;
  /** Received and sent since the last look, bytes a second, without what stays in the machine. */
  readonly network?: number;
  /** How much of the time since the last look the busiest disk was at work, percent. */
  readonly disks?: number;
  /** How much of its last moment the busiest graphics card was at work, percent. */
  readonly cards?: number;
  /** In use of the fullest graphics card's memory, percent. */
  readonly cardMemory?: number;
}

/**
 * Upper edges of the buckets, wide where a machine wavers anyway: bytes a second of networks, percent of all others. Whoever moves an edge forgets what was counted:
 * rows have places, not edges.
 */
export const machineEdges: Readonly<Record<MachineThing, readonly number[]>> = {
  processors: [20, 40, 60, 80, 95, 100],
  memory: [50, 60, 70, 80, 90, 95, 100],
  network: [1e4, 1e5, 1e6, 1e7, 1e8, 1e9],
  disks: [20, 40, 60, 80, 95, 100],
  cards: [20, 40, 60, 80, 95, 100],
  cardMemory: [50, 60, 70, 80, 90, 95, 100],
};

/** Looks of one minute by bucket; the last one is beyond all edges. */
export interface MachineMinute {
  readonly what: MachineThing;
  /** Start, epoch microseconds. */
  readonly minute: number;
  readonly counts: readonly number[];
}

/** Counts looks by the minute until they are taken. */
export class MachineMinutes {
  readonly #counted = new Map<string, MachineMinute & { readonly counts: number[] }>();

  add(at: number, sample: MachineSample): void {
    const minute = Math.floor(at / minuteMicros) * minuteMicros;
    for (const what of machineThings) {
      const value = sample[what];
      if (value === undefined || !Number.isFinite(value)) continue;
      const key = `${minute} ${what}`;
      const edges = machineEdges[what];
      const own = this.#counted.get(key) ?? { what, minute, counts: [...edges, 0].map(() => 0) };
      const bucket = edges.findIndex((most) => value <= most);
      const cell = bucket < 0 ? edges.length : bucket;
      own.counts[cell] = (own.counts[cell] ?? 0) + 1;
      this.#counted.set(key, own);
    }
  }

  /** Minutes that are over, which are forgotten here; all of them, where the process ends. */
  take(now: number): MachineMinute[] {
    const open = Math.floor(now / minuteMicros) * minuteMicros;
    const over = [...this.#counted].filter(([, { minute }]) => minute < open);
    for (const [key] of over) this.#counted.delete(key);
    return over.map(([, one]) => one);
  }
}
