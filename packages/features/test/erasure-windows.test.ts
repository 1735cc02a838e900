import { dataPlaces, eraseJob, orderErasure, publishContract, readErasure } from "@portolan/data";
import { asEpochMicros } from "@portolan/kernel";
import { afterAll, beforeAll, expect, test } from "vitest";
import { waitFor } from "../../data/test/data-fixture.ts";
import type { FeatureValue } from "../src/feature-value.ts";
import { featurePlaces, onlinePlace, refoldPlace } from "../src/index.ts";
import { readMaterialization, startMaterialization } from "../src/materializations.ts";
import { findView } from "../src/store.ts";
import { publishView } from "../src/views.ts";
import { type FeaturesFixture, featuresFixture, readOnline } from "./features-fixture.ts";

/** Events that name a person and are an airport's by their key: the person's leave the airport's sums. */

const document = `apiVersion: v3.1.0
kind: DataContract
id: boardings
name: boardings
version: 1.0.0
status: active
description: { purpose: test }
team: { members: [{ username: o, role: owner }] }
schema:
  - name: boardings
    logicalType: object
    customProperties: [{ property: portolan.eventTime, value: at }]
    properties:
      - { name: ticket, logicalType: string, primaryKey: true }
      - { name: passenger, logicalType: string, customProperties: [{ property: portolan.subject, value: true }] }
      - { name: airport, logicalType: string }
      - { name: at, logicalType: timestamp }
      - { name: paid, logicalType: integer }
`;
const view = `apiVersion: portolan/v1
kind: FeatureView
name: gates
source: boardings
entity: [airport]
eventTime: at
events: log
ttl: 30d
features:
  - { name: boarded_6h, aggregate: count, window: 6h }
  - { name: paid_6h, aggregate: sum, of: paid, window: 6h }
`;
const minute = (minutes: number) => asEpochMicros(1_767_225_600_000_000 + minutes * 60_000_000);

let f: FeaturesFixture;
beforeAll(async () => {
  f = await featuresFixture([], (all) => [
    eraseJob({
      ...all,
      rowPlaces: [...featurePlaces, ...dataPlaces],
      directPlaces: [onlinePlace(all), refoldPlace(all)],
      models: { trainedOn: () => Promise.resolve([]) },
      searches: [],
      names: [],
      inFlight: async () => [],
    }),
  ]);
  await publishContract(f.deps, f.call, "boardings", { document, references: {} });
  await publishView(f.deps, f.call, "gates", { document: view });
});
afterAll(() => f.close());

async function ingested(name: string, ...rows: readonly [string, string, string, number, number][]) {
  const lines = rows.map(([ticket, passenger, airport, at, paid]) =>
    JSON.stringify({ ticket, passenger, airport, at: new Date(minute(at) / 1000).toISOString(), paid }),
  );
  expect((await f.ingest(name, `${lines.join("\n")}\n`, { contract: "boardings" })).state).toBe("published");
}

async function materialized(asOf: number): Promise<void> {
  const { id } = await startMaterialization(f.deps, f.call, "gates", {
    environment: "dev",
    asOf: minute(asOf),
  });
  const { state } = await waitFor(
    () => readMaterialization(f.deps, f.call, id),
    (found) => found.state === "done" || found.state === "failed",
  );
  expect(state).toBe("done");
}

async function online(airport: string, at: number): Promise<FeatureValue[]> {
  const { organisationId } = f.call.actor;
  const found = await f.deps.uow.read(f.call, (sql) => findView(sql, organisationId, "gates"));
  const of = { organisationId, environment: "dev", view: "gates@1", digest: found?.digest ?? "" };
  const { values } = await readOnline(f, of, [airport], minute(at));
  return Object.values(values).map(({ value }) => value);
}

test("events of the subject leave the windows of whose they are by their key, and what comes later goes on top", async () => {
  await ingested(
    "monday.jsonl",
    ["t1", "passenger-1", "BOS", 0, 100],
    ["t2", "passenger-2", "BOS", 1, 20],
    ["t3", "passenger-1", "DEN", 2, 3],
  );
  await materialized(10);
  expect([await online("BOS", 10), await online("DEN", 10)]).toEqual([
    [2, 120],
    [1, 3],
  ]);
  const { id } = await orderErasure(f.deps, f.call, {
    subject: "passenger-1",
    reason: "asked for",
    environments: ["dev"],
  });
  const { state, report } = await waitFor(
    () => readErasure(f.deps, f.call, id),
    ({ finishedAt }) => finishedAt !== undefined,
  );
  expect([state, report?.erased]).toEqual([
    "erased",
    { "dataset snapshots": 2, "feature logs": 2, "windows online": 1 },
  ]);
  expect([await online("BOS", 10), await online("DEN", 10)]).toEqual([
    [1, 20],
    [0, null],
  ]);
  await ingested("tuesday.jsonl", ["t4", "passenger-3", "BOS", 11, 7]);
  await materialized(20);
  expect(await online("BOS", 20)).toEqual([2, 27]);
});
