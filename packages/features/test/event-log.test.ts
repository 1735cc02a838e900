import { publishContract, receiveEvents } from "@portolan/data";
import { asEpochMicros } from "@portolan/kernel";
import { afterAll, beforeAll, expect, test } from "vitest";
import { waitFor } from "../../data/test/data-fixture.ts";
import { loggedViews, onlineStates } from "../src/events/online-states.ts";
import { appendDatasets, openLog } from "../src/log/append-datasets.ts";
import { segmentsOf } from "../src/log/log-store.ts";
import { readMaterialization, startMaterialization } from "../src/materializations.ts";
import { replayValues } from "../src/replay/replay-values.ts";
import { findView } from "../src/store.ts";
import { isEventView } from "../src/view-model.ts";
import { publishView } from "../src/views.ts";
import { allowParity, type FeaturesFixture, featuresFixture, readOnline } from "./features-fixture.ts";

/** docs/spec/features.md §7, end to end: files and events in, windows out, offline and online. The tests follow one another on one log. */

const contract = (key: string): string => `apiVersion: v3.1.0
kind: DataContract
id: departures
name: departures
version: 1.0.0
status: active
description: { purpose: test }
team: { members: [{ username: o, role: owner }] }
schema:
  - name: departures
    logicalType: object
    customProperties: [{ property: portolan.eventTime, value: at }, { property: portolan.maxBadShare, value: 0.5 }]
    properties:
      - { name: flight, logicalType: string${key} }
      - { name: airport, logicalType: string }
      - { name: at, logicalType: timestamp }
      - { name: known, logicalType: timestamp }
      - { name: delay, logicalType: integer }
      - { name: op, logicalType: string }
`;

const view = `apiVersion: portolan/v1
kind: FeatureView
name: airports
source: departures
entity: [airport]
eventTime: at
available: known
events: log
tombstone: op = 'D'
ttl: 30d
features:
  - { name: flights_1h, aggregate: count, window: 1h }
  - { name: delay_1h, aggregate: mean, of: delay, window: 1h }
  - { name: worst_6h, aggregate: max, of: delay, window: 6h }
`;

interface Departure {
  readonly flight: string;
  readonly airport: string | null;
  /** Minutes after the first of January. */
  readonly at: number;
  readonly known?: number;
  readonly delay?: number;
  readonly op?: string;
}

const minute = (minutes: number) => asEpochMicros(1_767_225_600_000_000 + minutes * 60_000_000);
const instant = (minutes: number) => new Date(minute(minutes) / 1000).toISOString();
const line = ({ at, known = at, op = "U", ...values }: Departure): string =>
  `${JSON.stringify({ ...values, at: instant(at), known: instant(known), op })}\n`;

let f: FeaturesFixture;
beforeAll(async () => {
  f = await featuresFixture();
  await publishContract(f.deps, f.call, "departures", {
    document: contract(", primaryKey: true"),
    references: {},
  });
  await publishView(f.deps, f.call, "airports", { document: view });
});
afterAll(() => f.close());

async function ingest(name: string, ...departures: readonly Departure[]): Promise<void> {
  const done = await f.ingest(name, departures.map(line).join(""), { contract: "departures" });
  expect(done.state).toBe("published");
}

async function materialized(asOf: number) {
  const { id } = await startMaterialization(f.deps, f.call, "airports", {
    environment: "dev",
    asOf: minute(asOf),
  });
  return waitFor(
    () => readMaterialization(f.deps, f.call, id),
    ({ state }) => state === "done" || state === "failed",
  );
}

async function stored() {
  const found = await f.deps.uow.read(f.call, (sql) =>
    findView(sql, f.call.actor.organisationId, "airports"),
  );
  if (!found || !isEventView(found.body)) throw new Error("it is not published");
  return { ...found, body: found.body };
}

async function segments() {
  const { body, digest } = await stored();
  const log = await openLog(f.deps, f.call, { view: body, digest, environment: "dev", owner: {} });
  return f.deps.uow.read(f.call, (sql) => segmentsOf(sql, log.id));
}

async function vector(airport: string, at: number) {
  const { organisationId } = f.call.actor;
  const { digest } = await stored();
  const of = { organisationId, environment: "dev", view: "airports@1", digest };
  return readOnline(f, of, [airport], minute(at));
}

async function online(airport: string, at: number) {
  const { status, asOf, values } = await vector(airport, at);
  return { status, asOf, values: Object.values(values).map(({ value }) => value) };
}

test("a view says what its events are: the contract's primary key", async () => {
  expect((await stored()).body.identity).toEqual({ columns: ["flight"], isKey: true });
});

test("windows are folded at the moment of the question, both edges to the microsecond", async () => {
  await ingest(
    "monday.jsonl",
    { flight: "f1", airport: "BOS", at: 0, delay: 10 },
    { flight: "f2", airport: "BOS", at: 30, delay: 20 },
    { flight: "f3", airport: "DEN", at: 30, known: 45, delay: 7 },
  );
  expect(await materialized(40)).toMatchObject({ state: "done", keyCount: 2 });
  expect(await online("BOS", 40)).toEqual({ status: "found", asOf: minute(40), values: [2, 15, 20] });
  // f1 leaves an hour after it came, not a microsecond later; what is known is of minute 40 still.
  expect(await online("BOS", 60)).toEqual({ status: "found", asOf: minute(40), values: [1, 20, 20] });
  expect((await online("BOS", 60 - 1e-6)).values).toEqual([2, 15, 20]);
  // Known from minute 45 on: it is in the store already, and not seen before.
  expect((await online("DEN", 44)).values).toEqual([0, null, null]);
  expect((await online("DEN", 45)).values).toEqual([1, 7, 7]);
  // Nothing happened there, which is a value.
  expect(await online("LAX", 41)).toEqual({ status: "found", asOf: minute(40), values: [0, null, null] });
  // Older than what the store answers exactly, and longer after the last fold than the ttl.
  expect((await online("BOS", 38)).status).toBe("outside_max_age");
  expect((await online("BOS", 41 + 30 * 24 * 60)).status).toBe("outside_max_age");
});

test("a correction replaces its event from when it was known, also at another airport; a tombstone withdraws it", async () => {
  await ingest(
    "tuesday.jsonl",
    // Restated, without a change.
    { flight: "f1", airport: "BOS", at: 0, delay: 10 },
    // No record: it is of no airport.
    { flight: "f9", airport: null, at: 5, delay: 900 },
    // It left from DEN, and ten minutes later.
    { flight: "f2", airport: "DEN", at: 40, known: 50, delay: 25 },
    { flight: "f3", airport: "DEN", at: 30, known: 55, op: "D" },
  );
  const [, second] = await waitFor(segments, (found) => found.length === 2);
  // f2 and the tombstone, and a withdrawal of what each of them replaces.
  expect(second).toMatchObject({ first_sequence: 4, record_count: 4, without_key: 1, left_out: 1 });
  await materialized(56);
  expect((await online("BOS", 55)).values).toEqual([1, 10, 10]);
  expect((await online("DEN", 55)).values).toEqual([1, 25, 25]);
});

test("accepted events go on top without anybody asking, and a served window is derived again from what was online", async () => {
  const now = (Date.now() * 1000 - minute(0)) / 60_000_000;
  const at = Math.floor(now) - 1;
  await receiveEvents(f.deps, f.call, "departures", {
    environment: "dev",
    body: line({ flight: "live", airport: "LAX", at, delay: 3 }),
  });
  await waitFor(
    () => online("LAX", at),
    ({ values }) => values[0] === 1,
  );
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  const servedAt = Number(f.db.clock.now());
  const asked = [
    { airport: "LAX", minutes: at },
    { airport: "LAX", minutes: at + 0.5 },
    { airport: "BOS", minutes: at },
    { airport: "LAX", minutes: at + 31 * 24 * 60 },
  ];
  await allowParity(f);
  const { rows } = await replayValues(f.deps, f.call, "airports", {
    environment: "dev",
    purpose: "parity",
    rows: asked.map(({ airport, minutes }) => ({ key: [airport], at: minute(minutes), servedAt })),
  });
  for (const [index, { airport, minutes }] of asked.entries()) {
    const { status, asOf, values } = await online(airport, minutes);
    const statuses = Object.values((await vector(airport, minutes)).values).map((cell) => cell.status);
    expect(
      rows[index]?.map((one) => [
        one.status,
        one.asOf,
        Object.values(one.values),
        Object.values(one.statuses),
      ]),
    ).toContainEqual([status, asOf, values, statuses]);
  }
  // An airport that nobody has left lately: no delay is known, and that none is, is.
  expect(Object.values(rows[2]?.[0]?.statuses ?? {})).toEqual(["present", "null", "null"]);
  expect(rows[3]?.[0]?.status).toBe("outside_max_age");
});

test("what the windows take is counted as the view's time goes on", async () => {
  const { windows } = await f.deps.uow.read(f.call, (sql) => loggedViews(sql, 10));
  const states = await onlineStates(f.deps.online, windows);
  const own = states.find(({ view: name }) => name === "airports@1");
  expect(own).toMatchObject({ environment: "dev", organisationId: f.call.actor.organisationId });
  // All but the last event are months old, and gone.
  expect(own).toMatchObject({ entities: 1, events: 1, tiles: 0, mostTiles: 0 });
  expect(own?.bytes).toBe(own?.mostBytes);
  expect(own?.bytes).toBeGreaterThan(10);
});

test("a training set sees each event as it was known at the row's moment", async () => {
  const set = await f.trainingSet({
    name: "departures",
    environment: "dev",
    contract: "departures",
    purpose: "parity",
    from: minute(0),
    to: minute(1000),
    sampleEvery: 1,
    views: [{ view: "airports", entity: {} }],
    request: [],
    label: { name: "late", expression: "delay > 15" },
  });
  expect(set.failure).toBeUndefined();
  const last = (await segments()).at(-1);
  expect(set.manifest).toMatchObject({
    parity: { mismatches: 0 },
    views: [
      {
        view: "airports@1",
        log: { digest: last?.digest, lastSequence: last?.last_sequence },
        rows: { found: set.manifest?.rowsBefore, notFound: 0, outsideMaxAge: 0 },
      },
    ],
  });
  const rows = await f.rowsOf(set.manifest?.object);
  expect(rows.length).toBe(set.manifest?.rowsBefore);
});

test("without a primary key each row is an event: a table that comes again adds what is new in it", async () => {
  const document = contract("").replaceAll("departures", "sightings");
  await publishContract(f.deps, f.call, "sightings", { document, references: {} });
  const text = view.replace("airports", "skies").replace("departures", "sightings");
  await expect(publishView(f.deps, f.call, "skies", { document: text })).rejects.toMatchObject({
    code: "features.view_invalid",
  });
  await publishView(f.deps, f.call, "skies", { document: text.replace("tombstone: op = 'D'\n", "") });
  const rows = [
    { flight: "x", airport: "BOS", at: 0, delay: 1 },
    { flight: "x", airport: "BOS", at: 0, delay: 1 },
  ];
  const of = { contract: "sightings" };
  await f.ingest("one.jsonl", rows.map(line).join(""), of);
  const found = await f.deps.uow.read(f.call, (sql) => findView(sql, f.call.actor.organisationId, "skies"));
  if (!found || !isEventView(found.body)) throw new Error("it is not published");
  const log = await openLog(f.deps, f.call, {
    view: found.body,
    digest: found.digest,
    environment: "dev",
    owner: {},
  });
  await f.ingest("two.jsonl", [...rows, ...rows.slice(0, 1)].map(line).join(""), of);
  const all = await appendDatasets(f.deps, f.call, log, found.body);
  expect(all.map(({ record_count }) => record_count)).toEqual([2, 1]);
});
