import { asEpochMicros, type EpochMicros, formatInstant } from "@portolan/kernel";
import type { FeatureScalar, FeatureStatus, OnlineQuestion, OnlineRow } from "../../feature-plan.ts";
import { onlineCell } from "../../feature-plan.ts";
import type { FeaturePlan } from "../../snapshot/schema.ts";
import type { AskedView, FeaturesRequest } from "./features-request.ts";

/** Every view's entities, row by row within a view. Pure. */
export function featureQuestions(
  views: readonly AskedView[],
  { entities, rows }: FeaturesRequest,
): OnlineQuestion[] {
  const questions: OnlineQuestion[] = [];
  for (const view of views) {
    const keys = view.entityKeys.map((name) => entities.get(name) ?? []);
    for (let row = 0; row < rows; row++) questions.push({ view, key: keys.map((key) => key[row] ?? "") });
  }
  return questions;
}

/** What was read, and how many values have which status. */
export interface FeaturesAnswer {
  /** JSON. */
  readonly body: string;
  readonly counts: ReadonlyMap<FeatureStatus, number>;
}

/**
 * The answer of `POST /v1/features/online`: by view the time of each row's values, and by feature its values and their statuses, one per row. Text is
 * put together here: of a hundred entities with fifty features it is ten thousand elements. Pure.
 *
 * @param read one per question of `featureQuestions`
 */
export function writeFeatures(
  asked: { readonly endpoint: string; readonly plan: FeaturePlan; readonly views: readonly AskedView[] },
  rows: number,
  read: readonly OnlineRow[],
  at: EpochMicros,
): FeaturesAnswer {
  const counts = new Map<FeatureStatus, number>();
  const instants = new Map<number, string>();
  const instant = (micros: number): string => {
    const known = instants.get(micros) ?? `"${formatInstant(asEpochMicros(micros))}"`;
    instants.set(micros, known);
    return known;
  };
  const views = asked.views.map((view, index) => {
    const own = read.slice(index * rows, (index + 1) * rows);
    const times = own.map((row) => (row.at === undefined ? "null" : instant(row.at)));
    const features = view.features.map((name) => featureText(asked.plan, name, own, at, counts));
    return `{"name":${JSON.stringify(view.name)},"event_times":[${times.join()}],"features":[${features.join()}]}`;
  });
  const head = `{"endpoint":${JSON.stringify(asked.endpoint)},"service":${JSON.stringify(asked.plan.service)},"at":${instant(at)}`;
  return { body: `${head},"rows":${rows},"views":[${views.join()}]}`, counts };
}

function featureText(
  plan: FeaturePlan,
  name: string,
  rows: readonly OnlineRow[],
  at: EpochMicros,
  counts: Map<FeatureStatus, number>,
): string {
  let values = "";
  let statuses = "";
  let present = 0;
  for (const row of rows) {
    const { value, status } = onlineCell(plan, row, name, at);
    if (status === "present") {
      present += 1;
      values += `,${cellText(value)}`;
      statuses += ',"present"';
      continue;
    }
    values += ",null";
    statuses += `,"${status}"`;
    counts.set(status, (counts.get(status) ?? 0) + 1);
  }
  if (present > 0) counts.set("present", (counts.get("present") ?? 0) + present);
  return `{"name":${JSON.stringify(name)},"values":[${values.slice(1)}],"statuses":[${statuses.slice(1)}]}`;
}

/** JSON has no NaN and no infinity; a text stands for them, as in a deployment's stand-ins. */
function cellText(value: FeatureScalar): string {
  const isText = typeof value === "string" || (typeof value === "number" && !Number.isFinite(value));
  return isText ? JSON.stringify(String(value)) : String(value);
}
