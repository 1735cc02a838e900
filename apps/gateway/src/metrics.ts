type Labels = Readonly<Record<string, string>>;

/** Upper bounds in seconds: fine where contracts are (milliseconds), coarse beyond. */
const buckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

interface Series {
  value: number;
  readonly counts?: number[];
  sum?: number;
}

/** What was counted so far. */
export interface Counter {
  value: number;
}

export interface Histogram {
  readonly observe: (seconds: number) => void;
}

interface Family {
  readonly kind: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly series: Map<string, Series>;
}

/** Low-cardinality metrics in the Prometheus text format; labels come from snapshots and codes, never from callers. */
export class Metrics {
  readonly #families = new Map<string, Family>();
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
    return { observe: (seconds) => observe(series, seconds) };
  }

  gauge(name: string, help: string, labels: Labels, value: number): void {
    this.#series(name, "gauge", help, labels).value = value;
  }

  observe(name: string, help: string, labels: Labels, seconds: number): void {
    observe(this.#series(name, "histogram", help, labels), seconds);
  }

  /** Forgets a family's series, so that those whose subject is gone do not stay. */
  clear(name: string): void {
    this.#families.get(name)?.series.clear();
  }

  /** Gauges that are read when somebody asks. */
  onScrape(read: () => void): void {
    this.#readers.push(read);
  }

  render(): string {
    for (const read of this.#readers) read();
    const lines: string[] = [];
    for (const [name, family] of this.#families) {
      lines.push(`# HELP ${name} ${family.help}`, `# TYPE ${name} ${family.kind}`);
      for (const [labels, series] of family.series) lines.push(...renderSeries(name, labels, series));
    }
    return `${lines.join("\n")}\n`;
  }

  #series(name: string, kind: Family["kind"], help: string, labels: Labels): Series {
    const family = this.#families.get(name) ?? { kind, help, series: new Map<string, Series>() };
    this.#families.set(name, family);
    const key = Object.entries(labels)
      .map(([label, value]) => `${label}="${value.replace(/[\\"\n]/g, "_")}"`)
      .join(",");
    const series = family.series.get(key) ?? newSeries(kind);
    family.series.set(key, series);
    return series;
  }
}

function observe(series: Series, seconds: number): void {
  let slot = 0;
  while (slot < buckets.length && seconds > (buckets[slot] ?? 0)) slot++;
  if (series.counts) series.counts[slot] = (series.counts[slot] ?? 0) + 1;
  series.sum = (series.sum ?? 0) + seconds;
  series.value++;
}

function newSeries(kind: Family["kind"]): Series {
  return kind === "histogram"
    ? { value: 0, counts: Array.from({ length: buckets.length + 1 }, () => 0), sum: 0 }
    : { value: 0 };
}

function renderSeries(name: string, labels: string, series: Series): string[] {
  const braces = labels === "" ? "" : `{${labels}}`;
  if (!series.counts) return [`${name}${braces} ${series.value}`];
  let total = 0;
  const prefix = labels === "" ? "" : `${labels},`;
  const lines = series.counts.map((count, index) => {
    total += count;
    return `${name}_bucket{${prefix}le="${buckets[index] ?? "+Inf"}"} ${total}`;
  });
  return [...lines, `${name}_sum${braces} ${series.sum ?? 0}`, `${name}_count${braces} ${series.value}`];
}
