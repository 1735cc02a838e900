import { asEpochMicros, formatInstant } from "@portolan/kernel";
import type { FeaturePlan } from "@portolan/serving/contract";
import type { UsedFeature } from "@portolan/serving/policy";

interface ViewSummary {
  /** The oldest values' time. */
  oldest?: string;
  /** By feature and status, how many rows have it. */
  readonly features: Record<string, Record<string, number>>;
}

/**
 * How fresh the features of an answer are, for whoever asked: by view the time of its oldest values, and by feature in how many rows it is
 * present, null, not found, outside its age, or not to be had. JSON text, since the protocol's parameters are scalars; undefined where no
 * view was read.
 */
export function featuresParameter(
  plan: FeaturePlan | null,
  used: readonly UsedFeature[],
): string | undefined {
  if (!plan || plan.views.length === 0 || used.length === 0) return undefined;
  const columns = plan.columns.map(({ from }) => (from.kind === "feature" ? from : undefined));
  const views: Record<string, ViewSummary> = {};
  const oldest = new Map<string, number>();
  for (const [index, { at, status = "present" }] of used.entries()) {
    const from = columns[index % columns.length];
    if (!from) continue;
    views[from.view] ??= { features: {} };
    const counts = views[from.view]?.features ?? {};
    const ofFeature = (counts[from.feature] ??= {});
    ofFeature[status] = (ofFeature[status] ?? 0) + 1;
    if (at !== undefined) oldest.set(from.view, Math.min(at, oldest.get(from.view) ?? at));
  }
  for (const [view, at] of oldest) {
    const summary = views[view];
    if (summary) summary.oldest = formatInstant(asEpochMicros(at));
  }
  return JSON.stringify(views);
}
