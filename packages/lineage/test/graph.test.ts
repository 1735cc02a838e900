import { afterAll, beforeAll, expect, test } from "vitest";
import type { ColumnGraph, LineageGraph } from "../src/contract.ts";
import { aFacet, aRunEvent, aTable, schemaFacet } from "./events.ts";
import { type LineageFixture, lineageFixture } from "./lineage-fixture.ts";

let api: LineageFixture;
beforeAll(async () => {
  api = await lineageFixture();
});
afterAll(() => api.close());

const table = (name: string) => `dataset:postgres://db:5432:shop.public.${name}`;
const link = (from: string, to: string, job = `${from}-${to}`) =>
  api.post(aRunEvent({ job, inputs: [aTable(from)], outputs: [aTable(to)] }));
const names = ({ graph }: LineageGraph) =>
  graph
    .filter(({ type }) => type === "DATASET")
    .map(({ data }) => data.name.replace("shop.public.", ""))
    .toSorted();
async function graphOf(nodeId: string, query: Record<string, string> = {}) {
  const { status, body } = await api.get("lineage", { nodeId, ...query });
  expect(status, JSON.stringify(body)).toBe(200);
  return body as unknown as LineageGraph;
}

test("upstream and downstream go all the way, and each stops at the depth that was asked for", async () => {
  for (const [from, to] of [
    ["a", "b"],
    ["b", "c"],
    ["c", "d"],
  ] as const)
    await link(from, to);
  expect(names(await graphOf(table("b")))).toEqual(["a", "b", "c", "d"]);
  expect(names(await graphOf(table("b"), { direction: "upstream" }))).toEqual(["a", "b"]);
  const near = await graphOf(table("a"), { depth: "2" });
  expect([names(near), near.truncated]).toEqual([["a", "b", "c"], true]);
  const whole = await graphOf(table("a"), { depth: "3" });
  expect([names(whole), whole.truncated]).toEqual([["a", "b", "c", "d"], false]);
  const [node] = whole.graph.filter(({ id }) => id === table("b"));
  expect(node?.inEdges).toEqual([{ origin: "job:airflow:a-b", destination: table("b") }]);
  expect(node?.outEdges).toEqual([{ origin: table("b"), destination: "job:airflow:b-c" }]);
});

test("cycles end", async () => {
  for (const [from, to] of [
    ["x", "y"],
    ["y", "z"],
    ["z", "x"],
    ["z", "z"],
  ] as const)
    await link(from, to);
  expect(names(await graphOf(table("x"), { depth: "100" }))).toEqual(["x", "y", "z"]);
});

test("a dataset comes from what its own run read, and not from all that the job ever read", async () => {
  for (const day of [1, 2, 3]) await link(`in-${day}`, `out-${day}`, "daily");
  expect(names(await graphOf(table("out-2")))).toEqual(["in-2", "out-2"]);
  expect(names(await graphOf("job:airflow:daily"))).toHaveLength(6);
});

test("size bounds the answer, which says so", async () => {
  await api.post(
    aRunEvent({
      job: "wide",
      inputs: Array.from({ length: 60 }, (_, n) => aTable(`w${n}`)),
      outputs: [aTable("wide")],
    }),
  );
  const some = await graphOf(table("wide"), { size: "20" });
  expect([names(some).length, some.truncated]).toEqual([20, true]);
});

test("an unknown name is a 404 with those that are near", async () => {
  const { status, body } = await api.get("lineage", { nodeId: "shop.public.wyde" });
  expect(status).toBe(404);
  expect(body).toMatchObject({
    code: "lineage.node_not_found",
    mend: expect.stringContaining("shop.public.wide"),
  });
});

const field = (name: string, column: string) =>
  `datasetField:postgres://db:5432:shop.public.${name}:${column}`;
const inputField = (of: string, column: string, type: string, subtype: string) => ({
  namespace: "postgres://db:5432",
  name: `shop.public.${of}`,
  field: column,
  transformations: [{ type, subtype, description: "", masking: false }],
});

test("columns are followed both ways, through what the whole dataset depends on too", async () => {
  const columnLineage = (facet: object) => aFacet("ColumnLineageDatasetFacet", "1-2-0", facet);
  const total = {
    fields: { sum: { inputFields: [inputField("orders", "amount", "DIRECT", "AGGREGATION")] } },
    dataset: [inputField("orders", "region", "INDIRECT", "GROUP_BY")],
  };
  await api.post(
    aRunEvent({
      job: "totals",
      inputs: [aTable("orders", { schema: schemaFacet("amount", "region") })],
      outputs: [aTable("totals", { schema: schemaFacet("sum"), columnLineage: columnLineage(total) })],
    }),
  );
  // As version 1-0 of the facet had it.
  const older = {
    fields: {
      best: {
        inputFields: [{ namespace: "postgres://db:5432", name: "shop.public.totals", field: "sum" }],
        transformationType: "IDENTITY",
        transformationDescription: "as is",
      },
    },
  };
  await api.post(
    aRunEvent({ job: "best", outputs: [aTable("best", { columnLineage: columnLineage(older) })] }),
  );
  const columns = async (nodeId: string, query: Record<string, string> = {}) => {
    const { status, body } = await api.get("column-lineage", { nodeId, ...query });
    expect(status, JSON.stringify(body)).toBe(200);
    return body as unknown as ColumnGraph;
  };
  const up = await columns(field("best", "best"), { direction: "upstream" });
  expect(up.graph.map(({ id }) => id).toSorted()).toEqual(
    [
      field("best", "best"),
      field("orders", "amount"),
      field("orders", "region"),
      field("totals", "sum"),
      table("totals"),
    ].toSorted(),
  );
  const sum = up.graph.find(({ id }) => id === field("totals", "sum"));
  expect(sum?.data.inputFields).toEqual([
    {
      namespace: "postgres://db:5432",
      dataset: "shop.public.orders",
      field: "amount",
      transformations: [{ type: "DIRECT", subtype: "AGGREGATION", description: "", masking: false }],
    },
  ]);
  const down = await columns(table("orders"), { column: "region", direction: "downstream" });
  expect(down.graph.map(({ id }) => id)).toContain(field("best", "best"));
  const wrong = await api.get("column-lineage", { nodeId: table("orders"), column: "regoin" });
  expect(wrong).toMatchObject({ status: 404, body: { mend: "Its columns: amount, region." } });
});

test("a newer columnLineage facet takes the place of the older one", async () => {
  const say = (column: string, eventTime: string) =>
    api.post(
      aRunEvent({
        job: "moved",
        eventTime,
        outputs: [
          aTable("moved", {
            columnLineage: aFacet("ColumnLineageDatasetFacet", "1-2-0", {
              fields: { out: { inputFields: [inputField("origin", column, "DIRECT", "IDENTITY")] } },
            }),
          }),
        ],
      }),
    );
  await say("old", "2026-11-26T08:00:00Z");
  await say("new", "2026-11-26T09:00:00Z");
  const { body } = await api.get("column-lineage", { nodeId: field("moved", "out"), direction: "upstream" });
  const ids = (body as unknown as ColumnGraph).graph.map(({ id }) => id);
  expect(ids).toEqual([field("moved", "out"), field("origin", "new")]);
});
