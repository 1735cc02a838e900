import type { Picture } from "./picture.ts";

export interface PlacedNode {
  readonly id: string;
  readonly x: number;
  readonly y: number;
}

export interface Layout {
  readonly nodes: ReadonlyMap<string, PlacedNode>;
  readonly width: number;
  readonly height: number;
}

export const nodeWidth = 240;
export const nodeHeight = 40;
const gapX = 70;
const gapY = 16;
const margin = 20;

/**
 * Places nodes in columns, sources on the left, each right of all that it comes from (longest path); within a column in the order of
 * the nodes that they hang by. An edge that closes a cycle runs back.
 */
export function layoutOf(picture: Picture): Layout {
  const ranks = ranksOf(picture);
  const columns: string[][] = [];
  for (const id of picture.nodes.keys()) (columns[ranks.get(id) ?? 0] ??= []).push(id);
  const nodes = new Map<string, PlacedNode>();
  const tallest = Math.max(1, ...columns.map((column) => column.length));
  const height = 2 * margin + tallest * (nodeHeight + gapY) - gapY;
  for (const [rank, column] of columns.entries()) {
    const sorted = column.toSorted((a, b) => weight(picture, nodes, a) - weight(picture, nodes, b));
    const tall = sorted.length * (nodeHeight + gapY) - gapY;
    for (const [index, id] of sorted.entries())
      nodes.set(id, {
        id,
        x: margin + rank * (nodeWidth + gapX),
        y: (height - tall) / 2 + index * (nodeHeight + gapY),
      });
  }
  const width = 2 * margin + columns.length * (nodeWidth + gapX) - gapX;
  return { nodes, width, height };
}

/** Longest path from a source; edges back to where a walk came from are passed over. */
function ranksOf({ nodes, edges }: Picture): Map<string, number> {
  const sources = new Map<string, string[]>();
  for (const { from, to } of edges) sources.set(to, [...(sources.get(to) ?? []), from]);
  const ranks = new Map<string, number>();
  const open = new Set<string>();
  const rank = (id: string): number => {
    const known = ranks.get(id);
    if (known !== undefined) return known;
    open.add(id);
    const before = (sources.get(id) ?? []).filter((from) => !open.has(from) && nodes.has(from)).map(rank);
    open.delete(id);
    const own = before.length === 0 ? 0 : Math.max(...before) + 1;
    ranks.set(id, own);
    return own;
  };
  for (const id of nodes.keys()) rank(id);
  return ranks;
}

/** The mean height of what a node comes from. */
function weight({ edges }: Picture, placed: ReadonlyMap<string, PlacedNode>, id: string): number {
  const ys = edges.filter(({ to }) => to === id).flatMap(({ from }) => placed.get(from)?.y ?? []);
  return ys.length === 0 ? 0 : ys.reduce((sum, y) => sum + y, 0) / ys.length;
}
