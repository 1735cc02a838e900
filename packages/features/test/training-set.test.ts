import { join } from "node:path";
import { asEpochMicros, type Digest } from "@portolan/kernel";
import { afterAll, beforeAll, expect, test } from "vitest";
import { flightsCsv, waitFor } from "../../data/test/data-fixture.ts";
import { publishView, readTrainingSet, readTrainingSetColumns, startTrainingSet } from "../src/index.ts";
import { applyEvents, readMaterialization, startMaterialization } from "../src/materializations.ts";
import { featureViewDigest, readFeatureView } from "../src/read-view.ts";
import { readView } from "../src/views.ts";
import { WindowFold } from "../src/windows/window-fold.ts";
import { type FeaturesFixture, featuresFixture, flightsRequest, readOnline } from "./features-fixture.ts";

let f: FeaturesFixture;
let flights: Flight[];
interface Flight {
  readonly at: number;
  readonly known: number;
  readonly delay: number;
  readonly distance: number;
  readonly origin: string;
  readonly destination: string;
}
const minute = 60_000_000;
const hour = 60 * minute;

beforeAll(async () => {
  f = await featuresFixture();
  await f.publishExample();
  // Twins: rows that are equal in every column must stay two rows.
  const csv = flightsCsv(400, 9);
  const twin = csv.trim().split("\n").at(-1) ?? "";
  const done = await f.ingest("flights.csv", `${csv}${twin}\n${twin}\n`);
  expect(done).toMatchObject({ state: "published", counts: { accepted: 402 } });
  flights = await stored(done.datasetId ?? "");
});
afterAll(() => f.close());

async function stored(datasetId: string): Promise<Flight[]> {
  const { rows } = await f.db.uow.read(f.call, async (sql) => ({
    rows: await sql
      .withTables<{ "data.datasets": { id: string; object: string } }>()
      .selectFrom("data.datasets")
      .select("object")
      .where("id", "=", datasetId)
      .execute(),
  }));
  const path = await f.deps.objects.localPath(rows[0]?.object as Digest);
  const read = await f.deps.engine.run({
    statements: [
      { sql: `select * from read_parquet('${path}') order by departed_at, _row`, returns: "rows" },
    ],
    readable: [path],
    workFolder: join(f.folder, "look"),
  });
  return (read.rows["rows"] ?? []).map((row) => {
    const at = Number(row["departed_at"]);
    const distance = Number(row["distance"]);
    return {
      at,
      known: at + 30 * minute + distance * 7_500_000,
      delay: Number(row["delay"]),
      distance,
      origin: String(row["origin"]),
      destination: String(row["destination"]),
    };
  });
}

/** What the definition says, in the plainest words: docs/spec/features.md F1 and F2. */
function naive(
  at: number,
  window: number,
  which: (flight: Flight) => boolean,
  value?: (flight: Flight) => number,
): number {
  const inside = flights.filter(
    (one) => which(one) && one.at > at - window && one.at <= at && one.known <= at,
  );
  if (!value) return inside.length;
  return inside.length === 0 ? Number.NaN : inside.reduce((sum, one) => sum + value(one), 0) / inside.length;
}
const delay = (one: Flight): number => one.delay;
const late = (one: Flight): number => (one.delay > 15 ? 1 : 0);

test("a training set holds every entity row once, with what was known at its moment and nothing later (F1, F2, F7)", async () => {
  const from = flights[50]?.at ?? 0;
  const last = flights.at(-1)?.at ?? 0;
  const set = await f.trainingSet(flightsRequest(from, last + 1));
  expect(set).toMatchObject({ state: "ready" });
  const asked = flights.filter((one) => one.at >= from && one.at <= last);
  expect(set.manifest).toMatchObject({
    rowsBefore: asked.length,
    rowsAfter: asked.length,
    parity: { mismatches: 0 },
  });
  const { columns } = await readTrainingSetColumns(f.deps, f.call, set.id);
  for (const [row, one] of asked.entries()) {
    const origin = (other: Flight): boolean => other.origin === one.origin;
    const inbound = (other: Flight): boolean => other.destination === one.origin;
    const route = (other: Flight): boolean => origin(other) && other.destination === one.destination;
    const expected = {
      miles: one.distance,
      late: late(one),
      origin_flights_3h: naive(one.at, 3 * hour, origin),
      origin_delay_3h: naive(one.at, 3 * hour, origin, delay),
      origin_late_share_24h: naive(one.at, 24 * hour, origin, late),
      inbound_flights_3h: naive(one.at, 3 * hour, inbound),
      inbound_delay_3h: naive(one.at, 3 * hour, inbound, delay),
      route_flights_7d: naive(one.at, 7 * 24 * hour, route),
      route_late_share_7d: naive(one.at, 7 * 24 * hour, route, late),
    };
    expect(
      Object.fromEntries(Object.keys(expected).map((name) => [name, columns[name]?.[row]])),
      `row ${row}`,
    ).toEqual(expected);
  }
  // What a request at the row's moment would be told of each view's entity: without a flight in reach that is known by then, nothing is online (F73).
  const reach = (at: number, window: number, which: (flight: Flight) => boolean): string =>
    naive(at, window, which) > 0 ? "found" : "not_found";
  const rows = await f.rowsOf(set.manifest?.object);
  const views = [
    ["_status_origin_departures", 24 * hour, (own: Flight) => (one: Flight) => one.origin === own.origin],
    ["_status_arrivals", 3 * hour, (own: Flight) => (one: Flight) => one.destination === own.origin],
    [
      "_status_routes",
      7 * 24 * hour,
      (own: Flight) => (one: Flight) => one.origin === own.origin && one.destination === own.destination,
    ],
  ] as const;
  for (const [index, [column, window, isOf]] of views.entries()) {
    const expected = asked.map((one) => reach(one.at, window, isOf(one)));
    expect(rows.map((row) => row[column])).toEqual(expected);
    expect(set.manifest?.views[index]?.rows).toEqual({
      found: expected.filter((one) => one === "found").length,
      notFound: expected.filter((one) => one === "not_found").length,
      outsideMaxAge: 0,
    });
  }
  const delays = columns["origin_delay_3h"] ?? [];
  const notFound = set.manifest?.views[0]?.rows?.notFound ?? 0;
  expect(set.manifest?.statuses?.["origin_delay_3h"]).toEqual({
    present: delays.filter((one) => !Number.isNaN(one)).length,
    null: delays.filter((one) => Number.isNaN(one)).length - notFound,
    notFound,
    outsideMaxAge: 0,
  });
  // The figures are not all alike: the comparison above compared something.
  expect(new Set(columns["origin_delay_3h"]).size).toBeGreaterThan(20);
});

test("the first microsecond belongs to the range and the last does not, also without any view", async () => {
  const at = flights[10]?.at ?? 0;
  const bare = { ...flightsRequest(at, at + 1), views: [] };
  const here = flights.filter((one) => one.at === at).length;
  expect((await f.trainingSet(bare)).manifest).toMatchObject({ rowsBefore: here, rowsAfter: here });
  expect((await f.trainingSet({ ...bare, from: at + 1, to: at + 2 })).manifest).toMatchObject({
    rowsAfter: 0,
  });
  expect((await f.trainingSet({ ...bare, from: at - 1, to: at })).manifest).toMatchObject({ rowsAfter: 0 });
});

test("attributes lie beside the features, as text too: no model takes them, and they change no definition (F14)", async () => {
  const at = flights[10]?.at ?? 0;
  const request = flightsRequest(at, (flights[60]?.at ?? 0) + 1);
  const plain = await f.trainingSet(request);
  const attributes = [
    { name: "leaves_from", expression: "origin" },
    { name: "is_far", expression: "distance > 1000" },
  ];
  const set = await f.trainingSet({ ...request, attributes });
  expect(set.manifest).toMatchObject({
    features: plain.manifest?.features,
    definition: plain.manifest?.definition,
    attributes,
  });
  const path = await f.deps.objects.localPath(set.manifest?.object as Digest);
  const read = await f.deps.engine.run({
    statements: [{ sql: `select leaves_from, is_far from read_parquet('${path}')`, returns: "rows" }],
    readable: [path],
    workFolder: join(f.folder, "look"),
  });
  const asked = flights.filter((one) => one.at >= at && one.at <= (flights[60]?.at ?? 0));
  expect((read.rows["rows"] ?? []).map((row) => [row["leaves_from"], Number(row["is_far"])])).toEqual(
    asked.map(({ origin, distance }) => [origin, Number(distance > 1000)]),
  );
  const clash = await f.trainingSet({ ...request, attributes: [{ name: "miles", expression: "origin" }] });
  expect(clash).toMatchObject({
    state: "failed",
    failure: expect.stringContaining("share a name") as string,
  });
});

test("the same request gives the same bytes (F7)", async () => {
  const request = flightsRequest(flights[20]?.at ?? 0, flights[200]?.at ?? 0);
  const [one, two] = [await f.trainingSet(request), await f.trainingSet(request)];
  expect(one.id).not.toBe(two.id);
  expect(one.manifest?.object).toBe(two.manifest?.object);
});

test("online values are the offline values: materialised, and taken in event by event", async () => {
  const probe = flights.findLast((one) => one.at < (flights.at(-1)?.at ?? 0)) ?? flights[0];
  const at = asEpochMicros(probe?.at ?? 0);
  const set = await f.trainingSet(flightsRequest(at, at + 1));
  const { columns } = await readTrainingSetColumns(f.deps, f.call, set.id);
  const started = await startMaterialization(f.deps, f.call, "origin-departures", {
    environment: "dev",
    asOf: at,
  });
  const done = await waitFor(
    () => readMaterialization(f.deps, f.call, started.id),
    (found) => found.state === "done" || found.state === "failed",
  );
  expect(done).toMatchObject({ state: "done", keyCount: 3 });
  const names = [
    "origin_flights_3h",
    "origin_delay_3h",
    "origin_late_share_3h",
    "origin_delay_24h",
    "origin_late_share_24h",
  ];
  const offline = Object.fromEntries(
    names.map((name) => [name, { value: columns[name]?.[0], status: "present" }]),
  );
  const organisationId = f.call.actor.organisationId;
  const stored = await readView(f.deps, f.call, "origin-departures");
  const place = { organisationId, environment: "dev" };
  const read = (over: object = {}) =>
    readOnline(
      f,
      { ...place, view: "origin-departures@1", digest: stored.digest, ...over },
      [probe?.origin ?? ""],
      at,
    );
  expect(await read()).toEqual({ status: "found", asOf: at, values: offline });

  expect((await read({ environment: "production" })).status).toBe("not_found");

  const view = readFeatureView(stored.document.replace("version: 1", "version: 2"), "v.yaml", () => ({
    origin: "text",
    departed_at: "instant",
    distance: "int",
    delay: "int",
  }));
  const events = flights.map((one) => ({
    origin: one.origin,
    departed_at: BigInt(one.at),
    distance: BigInt(one.distance),
    delay: BigInt(one.delay),
  }));
  await applyEvents(f.deps.online, { ...place, view }, new WindowFold(view), events.toReversed(), at);
  expect(await read({ view: "origin-departures@2", digest: featureViewDigest(view) })).toEqual({
    status: "found",
    asOf: at,
    values: offline,
  });
});

test("a materialisation of the future is refused, and one that comes too late says so", async () => {
  const materialized = async (asOf: number) => {
    const started = await startMaterialization(f.deps, f.call, "origin-departures", {
      environment: "dev",
      asOf: asEpochMicros(asOf),
    });
    return waitFor(
      () => readMaterialization(f.deps, f.call, started.id),
      (found) => found.state === "done" || found.state === "failed",
    );
  };
  const last = flights.at(-1)?.at ?? 0;
  await expect(materialized(2 ** 52)).rejects.toMatchObject({ code: "kernel.bad_request" });
  expect(await materialized(last)).toMatchObject({ state: "done" });
  await expect(materialized(last - 1)).rejects.toMatchObject({
    code: "features.newer_values_online",
    detail: expect.stringContaining("are online") as string,
  });
  expect(await materialized(last)).toMatchObject({ state: "done" });
});

test("a training set without data fails after its retries, once and with its reason", async () => {
  const set = await f.trainingSet({ ...flightsRequest(0, 1), environment: "staging" });
  expect(set).toMatchObject({ state: "failed" });
  expect(set.failure).toContain("no dataset in staging");
});

test("a set takes the rows of its own environment and use case, and of no other (F13)", async () => {
  const own = flightsCsv(30, 41);
  await f.ingest("own.csv", own, { useCaseId: "uc_one" });
  const all = flightsRequest(0, 2 ** 52);
  const rows = async (useCaseId?: string) =>
    (await f.trainingSet({ ...all, ...(useCaseId === undefined ? {} : { useCaseId }) })).manifest?.rowsAfter;
  expect(await rows()).toBe(flights.length);
  expect(await rows("uc_one")).toBe(30);
  expect(await f.trainingSet({ ...all, useCaseId: "uc_two" })).toMatchObject({
    state: "failed",
    failure: expect.stringContaining("no dataset in dev") as string,
  });
});

test("two features of one name, a key of another type and an unknown column are refused with a reason", async () => {
  const good = flightsRequest(0, 1);
  const twice = await f.trainingSet({ ...good, request: [{ name: "late", expression: "distance" }] });
  expect(twice.failure).toContain("share a name");
  const text =
    "kind: FeatureView\nname: bad\nsource: flights\nentity: [delay_typo]\neventTime: departed_at\nttl: 1h\nfeatures:\n  - { name: n, aggregate: count, window: 1h }\n";
  await expect(publishView(f.deps, f.call, "bad", { document: text })).rejects.toMatchObject({
    code: "features.view_invalid",
    at: { line: 4 },
  });
  await expect(
    publishView(f.deps, f.call, "arrivals", {
      document: (await readView(f.deps, f.call, "arrivals")).document.replace("3h", "4h"),
    }),
  ).rejects.toMatchObject({ code: "features.view_conflict" });
});

test("a training set or a materialisation whose job is cancelled reads cancelled, with its ledger row", async () => {
  const eventsOf = (id: string) =>
    f.db.database.session((session) =>
      session.query(
        "select convert_from(payload, 'UTF8')::jsonb ->> 'event' as event from ledger.rows where convert_from(payload, 'UTF8')::jsonb ->> 'subject' = $1 order by id",
        [id],
      ),
    );
  const ended = { state: "cancelled", finishedAt: expect.any(Number) as number };
  const open = (found: { readonly state: string }) => found.state === "waiting" || found.state === "running";
  const set = await f.startAndCancel(() => startTrainingSet(f.deps, f.call, flightsRequest(0, 2 ** 52)));
  expect(
    await waitFor(
      () => readTrainingSet(f.deps, f.call, set.id),
      (found) => !open(found),
    ),
  ).toMatchObject(ended);
  expect(await eventsOf(set.id)).toEqual([
    { event: "features.training_set.started" },
    { event: "features.training_set.cancelled" },
  ]);
  const materialization = await f.startAndCancel(() =>
    startMaterialization(f.deps, f.call, "origin-departures", {
      environment: "dev",
      asOf: asEpochMicros(flights.at(-1)?.at ?? 0),
    }),
  );
  expect(
    await waitFor(
      () => readMaterialization(f.deps, f.call, materialization.id),
      (found) => !open(found),
    ),
  ).toMatchObject(ended);
  expect(await eventsOf(materialization.id)).toEqual([
    { event: "features.materialization.started" },
    { event: "features.materialization.cancelled" },
  ]);
});
