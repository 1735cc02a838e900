import type { Expression } from "@portolan/expressions";
import type { FeatureView, ValueFeature, WindowFeature } from "@portolan/features/contract";
import type { NodeName } from "../store/nodes.ts";
import type { Columns, InputField } from "./facets.ts";
import { aggregated, columnUses, indirect, transformationOf } from "./transformations.ts";

/**
 * What each feature of a view depends on in its source, column by column: the values that it states or aggregates directly, what decides
 * which events count (their time, when they were known, whether they withdraw) and for whom (the keys) indirectly. Pure.
 *
 * @param source the dataset that the events are in: a contract, or a snapshot under it
 */
export function viewColumns(view: FeatureView, source: NodeName): Columns {
  const stored: Columns = Object.fromEntries([
    ...view.features.map((feature) => [feature.name, featureInputs(view, feature, source)] as const),
    ...(view.values ?? []).map((feature) => [feature.name, valueInputs(view, feature, source)] as const),
  ]);
  const onDemand = (view.onDemand ?? []).map(
    ({ name, value }) => [name, onDemandInputs(value, stored)] as const,
  );
  return { ...stored, ...Object.fromEntries(onDemand) };
}

/** What the stored features that it reads depend on, transformed; request fields are in no dataset. */
function onDemandInputs(value: Expression, stored: Columns): InputField[] {
  return merged(
    columnUses(value).flatMap((use) =>
      (stored[use.column] ?? []).map((input) => ({
        ...input,
        transformations: [...input.transformations, transformationOf(use)],
      })),
    ),
  );
}

function valueInputs(view: FeatureView, { value }: ValueFeature, source: NodeName): InputField[] {
  const from = (field: string, one: InputField["transformations"][number]): InputField => ({
    of: source,
    field,
    transformations: [one],
  });
  const withdrawn = view.tombstone ? columnUses(view.tombstone) : [];
  return merged([
    ...columnUses(value).map((use) => from(use.column, transformationOf(use))),
    ...view.entity.map(({ column }) => from(column, indirect("GROUP_BY", "entity key"))),
    from(view.eventTime, indirect("SORT", "the newest event")),
    ...columnUses(view.available).map(({ column }) => from(column, indirect("FILTER", "available by then"))),
    ...withdrawn.map(({ column }) => from(column, indirect("FILTER", "not withdrawn"))),
  ]);
}

export function featureInputs(view: FeatureView, feature: WindowFeature, source: NodeName): InputField[] {
  const from = (field: string, one: InputField["transformations"][number]): InputField => ({
    of: source,
    field,
    transformations: [one],
  });
  const window = `${feature.aggregate} over ${windowText(feature.windowMicros)}`;
  const values = feature.of ? columnUses(feature.of) : [];
  return merged([
    ...values.map((use) =>
      from(use.column, use.use === "condition" ? transformationOf(use) : aggregated(window)),
    ),
    ...view.entity.map(({ column }) => from(column, indirect("GROUP_BY", "entity key"))),
    from(view.eventTime, indirect("WINDOW", window)),
    ...columnUses(view.available).map(({ column }) => from(column, indirect("FILTER", "available by then"))),
  ]);
}

/** One entry per column, with everything that it is used for. */
export function merged(inputs: readonly InputField[]): InputField[] {
  const byColumn = new Map<string, InputField>();
  for (const one of inputs) {
    const key = JSON.stringify([one.of.namespace, one.of.name, one.field]);
    const before = byColumn.get(key);
    const transformations = [...(before?.transformations ?? []), ...one.transformations];
    byColumn.set(key, { ...one, transformations });
  }
  return [...byColumn.values()];
}

/** `90min` in the largest unit that divides it. */
function windowText(micros: number): string {
  const units = [
    ["d", 86_400_000_000],
    ["h", 3_600_000_000],
    ["min", 60_000_000],
    ["s", 1_000_000],
  ] as const;
  const [unit, size] = units.find(([, one]) => micros % one === 0) ?? ["us", 1];
  return `${micros / size}${unit}`;
}
