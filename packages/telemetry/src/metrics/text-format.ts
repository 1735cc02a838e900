import { classicBounds, type Exemplar, type Family, type Labels, type Series } from "./metrics.ts";

/** The text format that every Prometheus reads (0.0.4). */
export function plainText(families: readonly Family[]): string {
  const lines: string[] = [];
  for (const family of families) {
    lines.push(`# HELP ${family.name} ${escapeHelp(family.help)}`, `# TYPE ${family.name} ${family.kind}`);
    for (const series of family.series) lines.push(...samples(family.name, series, false));
  }
  return `${lines.join("\n")}\n`;
}

/** OpenMetrics 1.0: the same with exemplars, and counters whose family is named without `_total`. */
export function openMetrics(families: readonly Family[]): string {
  const lines: string[] = [];
  for (const { name, kind, help, series: all } of families) {
    const family = kind === "counter" ? name.replace(/_total$/, "") : name;
    lines.push(`# HELP ${family} ${escapeHelp(help)}`, `# TYPE ${family} ${kind}`);
    for (const series of all)
      lines.push(...samples(kind === "counter" ? `${family}_total` : name, series, true));
  }
  return `${lines.join("\n")}\n# EOF\n`;
}

function samples(name: string, { labels, value, distribution }: Series, withExemplars: boolean): string[] {
  if (!distribution) return [`${name}${braces(labels)} ${value}`];
  let total = 0;
  const lines = distribution.classic.map((count, slot) => {
    total += count;
    const bound = slot < classicBounds.length ? String(classicBounds[slot]) : "+Inf";
    const exemplar = withExemplars ? exemplarText(distribution.exemplars[slot]) : "";
    return `${name}_bucket${braces({ ...labels, le: bound })} ${total}${exemplar}`;
  });
  return [
    ...lines,
    `${name}_sum${braces(labels)} ${distribution.sum}`,
    `${name}_count${braces(labels)} ${value}`,
  ];
}

function exemplarText(exemplar: Exemplar | undefined): string {
  if (!exemplar) return "";
  return ` # {trace_id="${exemplar.traceId}"} ${exemplar.value} ${(exemplar.epochMs / 1000).toFixed(3)}`;
}

function braces(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeValue(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escapeValue(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}
