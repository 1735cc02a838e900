import { NativeHistogram } from "./native-histogram.ts";

export type Labels = Readonly<Record<string, string>>;

/** Upper bounds in seconds: fine where contracts are (milliseconds), coarse beyond. */
export const classicBounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** One observation that stands for its bucket: which trace it belongs to. */
export interface Exemplar {
  readonly traceId: string;
  readonly value: number;
  readonly epochMs: number;
}

/** What was counted so far. */
export interface Counter {
  value: number;
}

export interface Histogram {
  /** @param exemplar of a request that was traced */
  readonly observe: (seconds: number, exemplar?: Omit<Exemplar, "value">) => void;
}

/** The classic buckets beside the native ones: whoever scrapes takes what he understands. */
export interface Distribution {
  readonly classic: readonly number[];
  readonly exemplars: readonly (Exemplar | undefined)[];
  readonly native: NativeHistogram;
  readonly sum: number;
}

export interface Series {
  readonly labels: Labels;
  readonly value: number;
  readonly distribution?: Distribution;
}

export interface Family {
  readonly name: string;
  readonly kind: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly series: readonly Series[];
}

class MutableSeries implements Series {
  value = 0;
  readonly labels: Labels;
  readonly distribution?: MutableDistribution;

  constructor(labels: Labels, kind: Family["kind"]) {
    this.labels = labels;
    if (kind === "histogram") this.distribution = new MutableDistribution();
  }
}

class MutableDistribution implements Distribution {
  readonly classic = Array.from({ length: classicBounds.length + 1 }, () => 0);
  readonly exemplars: (Exemplar | undefined)[] = [];
  readonly native = new NativeHistogram();
  sum = 0;

  observe(seconds: number, exemplar?: Omit<Exemplar, "value">): void {
    let slot = 0;
    while (slot < classicBounds.length && seconds > (classicBounds[slot] ?? 0)) slot++;
    this.classic[slot] = (this.classic[slot] ?? 0) + 1;
    this.native.observe(seconds);
    this.sum += seconds;
    if (exemplar) this.exemplars[slot] = { ...exemplar, value: seconds };
  }
}

interface MutableFamily {
  readonly kind: Family["kind"];
  readonly help: string;
  readonly series: Map<string, MutableSeries>;
}

/** Low-cardinality metrics of one process; labels come from snapshots and codes, never from callers. */
export class Metrics {
  readonly #families = new Map<string, MutableFamily>();
  readonly #readers: (() => void)[] = [];

  count(name: string, help: string, labels: Labels, by = 1): void {
    this.#series(name, "counter", help, labels).value += by;
  }

  /** A counter's series, for those who count at every request: labels are put together once. */
  counter(name: string, help: string, labels: Labels): Counter {
    return this.#series(name, "counter", help, labels);
  }

  /** A histogram's series, as `counter`. */
  histogram(name: string, help: string, labels: Labels): Histogram {
    const series = this.#series(name, "histogram", help, labels);
    return {
      observe(seconds, exemplar) {
        series.value++;
        series.distribution?.observe(seconds, exemplar);
      },
    };
  }

  gauge(name: string, help: string, labels: Labels, value: number): void {
    this.#series(name, "gauge", help, labels).value = value;
  }

  /** Forgets a family's series, so that those whose subject is gone do not stay. */
  clear(name: string): void {
    this.#families.get(name)?.series.clear();
  }

  /** Gauges that are read when somebody asks. */
  onScrape(read: () => void): void {
    this.#readers.push(read);
  }

  /** Everything as it is now; asks the readers first. */
  collect(): Family[] {
    for (const read of this.#readers) read();
    return [...this.#families].map(([name, { kind, help, series }]) => ({
      name,
      kind,
      help,
      series: [...series.values()],
    }));
  }

  #series(name: string, kind: Family["kind"], help: string, labels: Labels): MutableSeries {
    const family = this.#families.get(name) ?? { kind, help, series: new Map<string, MutableSeries>() };
    this.#families.set(name, family);
    const key = JSON.stringify(labels);
    const series = family.series.get(key) ?? new MutableSeries(labels, kind);
    family.series.set(key, series);
    return series;
  }
}
