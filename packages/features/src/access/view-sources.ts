import type { SourcedColumn } from "@portolan/data/contract";
import { columnsOf } from "@portolan/expressions";
import type { FeatureView } from "../view-model.ts";

/**
 * What each feature of a view is made of: columns whose values are stated or aggregated, or decide which value it is; of one that is computed on
 * demand, those of the features that it reads. Whose rows are counted and when is no value of a column: for that the contract has to be readable. Pure.
 */
export function featureSources(view: FeatureView): SourcedColumn[] {
  const contracts = [view.source];
  const made = (name: string, columns: readonly string[]): SourcedColumn => ({
    name,
    type: "number",
    from: columns.map((column) => ({ contract: view.source, column })),
    contracts,
  });
  const stored = new Map([
    ...view.features.map(({ name, of }) => [name, of ? columnsOf(of) : []] as const),
    ...(view.values ?? []).map(({ name, value }) => [name, columnsOf(value)] as const),
  ]);
  const onDemand = (view.onDemand ?? []).map(({ name, value }) =>
    made(name, [...new Set(columnsOf(value).flatMap((read) => stored.get(read) ?? []))]),
  );
  return [...[...stored].map(([name, columns]) => made(name, columns)), ...onDemand];
}

/** What a feature reads of a request, by the names of its fields. */
export function requestFieldsRead(view: FeatureView, feature: string): string[] {
  const value = view.onDemand?.find(({ name }) => name === feature)?.value;
  const fields = (view.request ?? []).map(({ name }) => name);
  return value ? columnsOf(value).filter((read) => fields.includes(read)) : [];
}
