import type { SourcedColumn } from "@portolan/data/contract";
import { columnsOf } from "@portolan/expressions";
import type { FeatureView } from "../view-model.ts";

type Fields = SourcedColumn["from"];

/**
 * What each feature of a view is made of: columns whose values are stated or aggregated, or decide which value it is; of one that is computed on
 * demand those of the features that it reads. Whose rows are counted and when is no value of a column: for that the contract has to be readable. Pure.
 *
 * @param ofRequest what a request field is made of; nothing where somebody stated it
 */
export function featureSources(
  view: FeatureView,
  ofRequest: (field: string) => Fields = () => [],
): SourcedColumn[] {
  const contracts = [view.source];
  const made = (name: string, from: Fields): SourcedColumn => ({ name, type: "number", from, contracts });
  const columns = (names: readonly string[]): Fields =>
    names.map((column) => ({ contract: view.source, column }));
  const stored = [
    ...view.features.map(({ name, of }) => made(name, of ? columns(columnsOf(of)) : [])),
    ...(view.values ?? []).map(({ name, value }) => made(name, columns(columnsOf(value)))),
  ];
  const read = (name: string): Fields =>
    stored.find((column) => column.name === name)?.from ?? ofRequest(name);
  const onDemand = (view.onDemand ?? []).map(({ name, value }) => made(name, columnsOf(value).flatMap(read)));
  return [...stored, ...onDemand];
}
