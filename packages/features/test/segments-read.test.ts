import { publishContract } from "@portolan/data";
import { asEpochMicros } from "@portolan/kernel";
import { afterAll, beforeAll, expect, test } from "vitest";
import { appendDatasets, openLog } from "../src/log/append-datasets.ts";
import { findView } from "../src/store.ts";
import type { EventView } from "../src/view-model.ts";
import { publishView } from "../src/views.ts";
import { type FeaturesFixture, featuresFixture } from "./features-fixture.ts";

/** What an append to a log of events reads of the segments before (docs/spec/features.md, F21, F30). */

const contract = `apiVersion: v3.1.0
kind: DataContract
id: stops
name: stops
version: 1.0.0
status: active
description: { purpose: test }
team: { members: [{ username: o, role: owner }] }
schema:
  - name: stops
    logicalType: object
    customProperties: [{ property: portolan.eventTime, value: at }]
    properties:
      - { name: stop, logicalType: string }
      - { name: at, logicalType: timestamp }
      - { name: wait, logicalType: integer }
`;
const view = `apiVersion: portolan/v1
kind: FeatureView
name: stops
source: stops
entity: [stop]
eventTime: at
available: at
events: log
ttl: 30d
features:
  - { name: waits_1h, aggregate: sum, of: wait, window: 1h }
`;

let f: FeaturesFixture;
beforeAll(async () => {
  f = await featuresFixture();
  await publishContract(f.deps, f.call, "stops", { document: contract, references: {} });
  await publishView(f.deps, f.call, "stops", { document: view });
});
afterAll(() => f.close());

async function ingest(name: string, ...stops: readonly (readonly [hours: number, wait: number])[]) {
  const lines = stops.map(([hours, wait]) => {
    const at = asEpochMicros(1_767_225_600_000_000 + hours * 3_600_000_000);
    return JSON.stringify({ stop: "a", at: new Date(at / 1000).toISOString(), wait });
  });
  const done = await f.ingest(name, `${lines.join("\n")}\n`, { contract: "stops" });
  return done.datasetId ?? "";
}

test("an append reads the segments that its times fall into, however many there are, and says nothing twice", async () => {
  const first = await ingest("day-0.jsonl", [0, 1], [1, 2]);
  for (let day = 1; day <= 4; day += 1) await ingest(`day-${day}.jsonl`, [24 * day, 1], [24 * day + 1, 2]);
  const { organisationId } = f.call.actor;
  const stored = await f.deps.uow.read(f.call, (sql) => findView(sql, organisationId, "stops"));
  if (!stored) throw new Error("no view");
  const of = {
    view: stored.body as EventView,
    digest: stored.digest,
    environment: "dev",
    owner: {},
  } as const;
  const log = await openLog(f.deps, f.call, of, first);
  const reads: number[] = [];
  const engine: typeof f.deps.engine = {
    run: (request) => {
      reads.push(request.readable.length - 1);
      return f.deps.engine.run(request);
    },
  };
  const append = () => appendDatasets({ ...f.deps, engine }, f.call, log, of.view);
  const counts = (await append()).map(({ record_count: count }) => count);
  expect([counts, reads]).toEqual([
    [2, 2, 2, 2, 2],
    [0, 0, 0, 0, 0],
  ]);
  // One of these is known, one is a second event of the same hour, and one is new.
  await ingest("late.jsonl", [48, 1], [49, 7], [30, 3]);
  const late = (await append()).at(-1);
  expect([late?.record_count, reads.at(-1)]).toEqual([2, 1]);
});
