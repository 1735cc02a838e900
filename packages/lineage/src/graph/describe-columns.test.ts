import { expect, test } from "vitest";
import type { ColumnEdgeRow, ColumnKey } from "../store/graph.ts";
import { describeColumns } from "./describe-columns.ts";

const names = new Map([
  [1, { id: 1, namespace: "file", name: "in.csv" }],
  [2, { id: 2, namespace: "file", name: "out.csv" }],
]);
const column = (datasetId: number, field: string | null): ColumnKey => ({ datasetId, field });
const edge = (from: ColumnKey, to: ColumnKey): ColumnEdgeRow => ({ from, to, transformations: [] });
const describe = (keys: readonly ColumnKey[], edges: readonly ColumnEdgeRow[]) =>
  describeColumns(keys.slice(0, 1), keys, { edges, truncated: false }, names);

test("a column has the edges into it and out of it, and a dataset as a whole has its own", () => {
  const [a, b, whole] = [column(1, "a"), column(2, "b"), column(2, null)];
  const { roots, graph } = describe([b, a, whole], [edge(a, b), edge(a, whole)]);
  const [ofA, ofB, ofWhole] = [
    "datasetField:file:in.csv:a",
    "datasetField:file:out.csv:b",
    "dataset:file:out.csv",
  ];
  expect(roots).toEqual([ofB]);
  expect(graph.map(({ id, inEdges, outEdges }) => ({ id, inEdges, outEdges }))).toEqual([
    { id: ofB, inEdges: [{ origin: ofA, destination: ofB }], outEdges: [] },
    {
      id: ofA,
      inEdges: [],
      outEdges: [
        { origin: ofA, destination: ofB },
        { origin: ofA, destination: ofWhole },
      ],
    },
    { id: ofWhole, inEdges: [{ origin: ofA, destination: ofWhole }], outEdges: [] },
  ]);
  expect(graph[0]?.data.inputFields).toEqual([
    { namespace: "file", dataset: "in.csv", field: "a", transformations: [] },
  ]);
});

test("thousands of columns are described in time that grows with their edges", () => {
  const inputs = Array.from({ length: 5000 }, (_, n) => column(1, `c${n}`));
  const outputs = Array.from({ length: 5000 }, (_, n) => column(2, `c${n}`));
  const edges = inputs.map((from, n) => edge(from, column(2, `c${n}`)));
  const began = process.threadCpuUsage();
  const { graph } = describe([...outputs, ...inputs], edges);
  expect(process.threadCpuUsage(began).user).toBeLessThan(2_000_000);
  expect(graph.every(({ inEdges, outEdges }) => inEdges.length + outEdges.length === 1)).toBe(true);
});
