export type RuleLabels = Readonly<Record<string, string>>;

/** Labels as PromQL selects by them. Pure. */
export function matchers(labels: RuleLabels): string {
  const parts = Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return `{${parts.join(",")}}`;
}
