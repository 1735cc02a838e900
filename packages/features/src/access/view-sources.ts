import type { SourcedColumn } from "@portolan/data/contract";
import { columnsOf } from "@portolan/expressions";
import type { FeatureView } from "../view-model.ts";

/**
 * What each feature of a view is made of: columns whose values are stated or aggregated, or decide which value it is. Whose rows are counted and when is no
 * value of a column: for that the contract has to be readable. Pure.
 */
export function featureSources(view: FeatureView): SourcedColumn[] {
  const contracts = [view.source];
  const made = (name: string, columns: readonly string[]): SourcedColumn => ({
    name,
    type: "number",
    from: columns.map((column) => ({ contract: view.source, column })),
    contracts,
  });
  return [
    ...view.features.map(({ name, of }) => made(name, of ? columnsOf(of) : [])),
    ...(view.values ?? []).map(({ name, value }) => made(name, columnsOf(value))),
  ];
}
