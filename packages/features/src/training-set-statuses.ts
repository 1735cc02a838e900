import { type AnalysisResult, integerCell } from "@portolan/data/contract";
import type { TrainingSetManifest } from "./resources.ts";
import { type FeatureView, featureNamesOf } from "./view-model.ts";

type Rows = NonNullable<TrainingSetManifest["views"][number]["rows"]>;

/** Rows of a set by what the view at this place of its request knew of their entity. */
export function rowsByStatus(result: AnalysisResult, view: number): Rows {
  const row = result.rows["statuses"]?.[0];
  return {
    found: integerCell(row, `v${view}_found`),
    notFound: integerCell(row, `v${view}_not_found`),
    outsideMaxAge: integerCell(row, `v${view}_outside_max_age`),
  };
}

/** Rows of a set by the status of each feature of its views: that of the row, and where it is found, whether there is a value. */
export function valuesByStatus(
  views: readonly FeatureView[],
  result: AnalysisResult,
): NonNullable<TrainingSetManifest["statuses"]> {
  const row = result.rows["statuses"]?.[0];
  const counted = views.flatMap((view, index) => {
    const { notFound, outsideMaxAge } = rowsByStatus(result, index);
    return featureNamesOf(view).map((name, feature) => {
      const of = `f${index}_${feature}`;
      const present = integerCell(row, `${of}_present`);
      return [name, { present, null: integerCell(row, `${of}_null`), notFound, outsideMaxAge }] as const;
    });
  });
  return Object.fromEntries(counted);
}
