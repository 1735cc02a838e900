import type { ColumnGraph, LineageGraph } from "@portolan/lineage/contract";

export interface PictureNode {
  readonly id: string;
  readonly label: string;
  /** Where it belongs, or what is known of it. */
  readonly note: string;
  readonly kind: "dataset" | "job" | "column";
}

export interface PictureEdge {
  readonly from: string;
  readonly to: string;
  readonly label?: string;
}

/** What is drawn, as a tree or as a picture: things and what went from one into another. */
export interface Picture {
  readonly roots: readonly string[];
  readonly nodes: ReadonlyMap<string, PictureNode>;
  readonly edges: readonly PictureEdge[];
}

/** Each flow is a node of its own, so that a dataset hangs by its own sources and not by all that its job ever read. */
export function pictureOf({ roots, graph, flows }: LineageGraph): Picture {
  const nodes = new Map<string, PictureNode>();
  const named = new Map(graph.map((node) => [node.id, node]));
  for (const { id, type, data } of graph)
    if (type === "DATASET") nodes.set(id, { id, label: data.name, note: data.namespace, kind: "dataset" });
  const edges: PictureEdge[] = [];
  const flowsOf = new Map<string, string[]>();
  for (const [index, { job, inputs, outputs }] of flows.entries()) {
    const id = `flow ${index}`;
    const { data } = named.get(job) ?? {};
    flowsOf.set(job, [...(flowsOf.get(job) ?? []), id]);
    nodes.set(id, { id, label: data?.name ?? job, note: data?.latestRun?.state ?? "", kind: "job" });
    edges.push(...inputs.map((from) => ({ from, to: id })), ...outputs.map((to) => ({ from: id, to })));
  }
  return {
    roots: roots.flatMap((root) => (nodes.has(root) ? [root] : (flowsOf.get(root) ?? []))),
    nodes,
    edges,
  };
}

/** Columns; where a dataset as a whole was asked for, all of its columns are roots. */
export function columnPictureOf({ roots, graph }: ColumnGraph): Picture {
  const nodes = new Map<string, PictureNode>();
  const edges: PictureEdge[] = [];
  for (const { id, data } of graph) {
    const label = data.field === undefined ? `${data.dataset} (every row)` : `${data.dataset}.${data.field}`;
    nodes.set(id, { id, label, note: data.namespace, kind: "column" });
  }
  const ids = new Map(graph.map(({ id, data }) => [columnKey(data), id]));
  for (const { id, data } of graph)
    for (const input of data.inputFields) {
      const from = ids.get(columnKey(input));
      const label = input.transformations.map(transformationText).join(", ");
      if (from !== undefined) edges.push({ from, to: id, label });
    }
  edges.push(...wholeEdges(graph));
  return { roots: roots.flatMap((root) => rootsOf(root, graph)), nodes, edges };
}

/** What decides which rows a dataset has is behind each of its columns. */
function wholeEdges(graph: ColumnGraph["graph"]): PictureEdge[] {
  const wholes = graph.filter(({ data }) => data.field === undefined);
  return wholes.flatMap(({ id, data }) =>
    graph
      .filter((one) => one.data.field !== undefined && sameDataset(one.data, data))
      .map((one) => ({ from: id, to: one.id, label: "which rows" })),
  );
}

interface OfDataset {
  readonly namespace: string;
  readonly dataset: string;
}

function sameDataset(one: OfDataset, other: OfDataset): boolean {
  return one.namespace === other.namespace && one.dataset === other.dataset;
}

function rootsOf(root: string, graph: ColumnGraph["graph"]): string[] {
  if (!root.startsWith("dataset:")) return [root];
  const columns = graph.filter(({ data }) => `dataset:${data.namespace}:${data.dataset}` === root);
  return columns.map(({ id }) => id);
}

function columnKey(data: {
  readonly namespace: string;
  readonly dataset: string;
  readonly field?: string;
}): string {
  return JSON.stringify([data.namespace, data.dataset, data.field ?? null]);
}

type Transformation = ColumnGraph["graph"][number]["data"]["inputFields"][number]["transformations"][number];

function transformationText({ type, subtype, description }: Transformation): string {
  const what = (subtype ?? type).toLowerCase().replaceAll("_", " ");
  return description ? `${what} (${description})` : what;
}
