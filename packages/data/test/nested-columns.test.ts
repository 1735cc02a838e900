import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { publishContract, receiveEvents, startReplay } from "../src/index.ts";
import { type DataFixture, dataFixture } from "./data-fixture.ts";

/** docs/spec/data-contracts.md D4b: what lies within columns, from JSON lines, from structs of Parquet, and at the door of events. */
let f: DataFixture;
beforeAll(async () => {
  f = await dataFixture();
  await publishContract(f.deps, f.call, "orders", { document });
});
afterAll(() => f.close());

const document = `apiVersion: v3.1.0
kind: DataContract
id: orders
version: 1.0.0
status: active
schema:
  - name: orders
    customProperties: [{ property: portolan.maxBadShare, value: 0.9 }]
    properties:
      - { name: id, logicalType: integer, required: true }
      - name: shipped
        logicalType: object
        properties:
          - { name: at, logicalType: timestamp, required: true }
          - { name: country, logicalType: string, logicalTypeOptions: { minLength: 2, maxLength: 2 } }
      - name: lines
        logicalType: array
        logicalTypeOptions: { minItems: 1 }
        items:
          logicalType: object
          properties:
            - { name: sku, logicalType: string, required: true }
            - { name: count, logicalType: integer, logicalTypeOptions: { minimum: 1 } }
`;
const orders = [
  { id: 1, shipped: { at: "2001-01-01 10:00:00", country: "CH" }, lines: [{ sku: "A", count: 2 }] },
  { id: 2, shipped: { at: "2001-01-01 10:00:00", country: "CHE" }, lines: [{ sku: "A", count: 2 }] },
  {
    id: 3,
    shipped: null,
    lines: [
      { sku: "A", count: 0 },
      { sku: null, count: 0 },
    ],
  },
  { id: 4, shipped: { at: null, country: "AT" }, lines: [] },
];
const text = `${orders.map((order) => JSON.stringify(order)).join("\n")}\n`;
const judged = {
  state: "published",
  counts: { accepted: 1, quarantined: 3, deadLetters: 0 },
  rules: {
    "shipped.country.maxLength": 1,
    "shipped.at.required": 1,
    "lines[].sku.required": 1,
    "lines[].count.minimum": 1,
    "lines.minItems": 1,
  },
};

test("rows of JSON are judged by what lies within them, and kept as they came", async () => {
  const done = await f.ingest("orders.jsonl", text, { contract: "orders" });
  expect(done).toMatchObject(judged);
});

test("structs and lists of Parquet are judged like the JSON that they become", async () => {
  const source = join(f.inbox, "orders.jsonl");
  const target = join(f.inbox, "structs.parquet");
  await f.deps.engine.run({
    statements: [
      {
        sql: `copy (select * from read_json('${source}', columns = {id: 'bigint', shipped: 'struct("at" timestamp, country varchar)',
          lines: 'struct(sku varchar, "count" bigint)[]'})) to '${target}' (format parquet)`,
      },
    ],
    readable: [source],
    workFolder: f.inbox,
  });
  const done = await f.ingest("empty.jsonl", "", { contract: "orders", sources: [{ path: target }] });
  expect(done).toMatchObject(judged);
});

test("an event is told at the door what its batch says", async () => {
  const told = await receiveEvents(f.deps, f.call, "orders", { environment: "dev", body: text });
  expect(told).toEqual({
    accepted: 1,
    quarantined: [
      { index: 1, violations: ["shipped.country.maxLength"] },
      { index: 2, violations: ["lines[].sku.required", "lines[].count.minimum"] },
      { index: 3, violations: ["shipped.at.required", "lines.minItems"] },
    ],
    deadLetters: [],
  });
});

test("a replay reads what lies within again, of accepted rows and of those that were kept out", async () => {
  const first = await f.ingest("again.jsonl", text.replaceAll("10:00:00", "11:00:00"), {
    contract: "orders",
  });
  const wider = document.replace("maxLength: 2", "maxLength: 3").replace("version: 1.0.0", "version: 1.1.0");
  await publishContract(f.deps, f.call, "orders", { document: wider });
  const again = await f.settled((await startReplay(f.deps, f.call, first.id, {})).id);
  const { "shipped.country.maxLength": _, ...rules } = judged.rules;
  expect(again).toMatchObject({ ...judged, counts: { accepted: 2, quarantined: 2, deadLetters: 0 }, rules });
});
