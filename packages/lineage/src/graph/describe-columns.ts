import type { ColumnGraph, ColumnNode } from "../contract.ts";
import type { ColumnEdgeRow, ColumnKey, NamedNode } from "../store/graph.ts";

/** Two columns are the same where their keys are. Pure. */
export function keyOf({ datasetId, field }: ColumnKey): string {
  return JSON.stringify([datasetId, field]);
}

/** The graph as the API shows it: each column with its edges. Pure. */
export function describeColumns(
  starts: readonly ColumnKey[],
  keys: readonly ColumnKey[],
  { edges, truncated }: { readonly edges: readonly ColumnEdgeRow[]; readonly truncated: boolean },
  names: ReadonlyMap<number, NamedNode>,
): ColumnGraph {
  const idOf = ({ datasetId, field }: ColumnKey): string => {
    const { namespace = "", name = "" } = names.get(datasetId) ?? {};
    return field === null ? `dataset:${namespace}:${name}` : `datasetField:${namespace}:${name}:${field}`;
  };
  const partsOf = ({ datasetId, field }: ColumnKey) => {
    const { namespace = "", name = "" } = names.get(datasetId) ?? {};
    return { namespace, dataset: name, ...(field === null ? {} : { field }) };
  };
  const edgesInto = Map.groupBy(edges, ({ to }) => keyOf(to));
  const edgesOutOf = Map.groupBy(edges, ({ from }) => keyOf(from));
  const edgeOf = ({ from, to }: ColumnEdgeRow) => ({ origin: idOf(from), destination: idOf(to) });
  return {
    roots: starts.map(idOf),
    graph: keys.map((key): ColumnNode => {
      const into = edgesInto.get(keyOf(key)) ?? [];
      return {
        id: idOf(key),
        type: "DATASET_FIELD",
        data: {
          ...partsOf(key),
          inputFields: into.map(({ from, transformations }) => ({
            ...partsOf(from),
            transformations: transformations as ColumnNode["data"]["inputFields"][number]["transformations"],
          })),
        },
        inEdges: into.map(edgeOf),
        outEdges: (edgesOutOf.get(keyOf(key)) ?? []).map(edgeOf),
      };
    }),
    truncated,
  };
}
