import {
  asEpochMicros,
  canonicalBytes,
  digestBytes,
  type JsonValue,
  newId,
  PortolanError,
  systemClock,
} from "@portolan/kernel";
import { ledgerMigrations } from "@portolan/ledger";
import { seededRandom } from "@portolan/numerics";
import { predictionsMigrations } from "@portolan/predictions";
import type { LatencyBreakdown, PredictionHeader } from "@portolan/predictions/contract";
import {
  aCall,
  fakeClock,
  openTestDatabase,
  type TestDatabase,
  testAuthorizer,
  testOrganisation,
} from "@portolan/testkit";
import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ReferenceProfile } from "../src/contract.ts";
import { DriftCounter } from "../src/drift-counter.ts";
import { keepMachineMinutes, MachineMinutes, monitoringMigrations } from "../src/index.ts";
import { countBlockRequests } from "../src/objectives/count-blocks.ts";
import { numericReference } from "../src/reference-profile.ts";
import { insertProfile } from "../src/store.ts";
import type { PublishedData } from "../src/timeline/freshness.ts";
import { readTimeline, type TimelineDeps } from "../src/timeline/read-timeline.ts";

const minute = 60_000_000;
const clock = fakeClock("2026-03-20T12:00:00Z");
const end = clock.now();
const minutes = 60;
const start = end - minutes * minute;
const random = seededRandom(20_261_127);
const uniform = Array.from({ length: 2000 }, (_, at) => at / 2000);
const inputs = ["miles", "carrier"].map((name) =>
  numericReference({ tensor: name, column: 0, name }, uniform),
);
const outputs = [numericReference({ tensor: "late", column: 0, name: "late" }, uniform)];
const counter = new DriftCounter({ inputs, outputs });
const profile: ReferenceProfile = {
  format: 1,
  model: { name: "delays", version: 1, digest: `sha256:${"ab".repeat(32)}` },
  data: { trainingSetId: "ts_1", digest: `sha256:${"cd".repeat(32)}`, rows: 2000, sampledEvery: 1 },
  rows: 2000,
  inputs,
  outputs,
  skipped: [],
};
const bytes = canonicalBytes(profile as unknown as JsonValue);
const digest = digestBytes(bytes) as string;

let products: readonly PublishedData[] = [];
let db: TestDatabase;
beforeAll(async () => {
  db = await openTestDatabase({
    migrations: [ledgerMigrations, predictionsMigrations, { ...monitoringMigrations, after: [] }],
    clock,
  });
  await db.uow.write(aCall(), (tx) =>
    insertProfile(tx.sql, {
      organisation_id: testOrganisation,
      version_id: "mv_1",
      model: "delays",
      version: 1,
      digest,
      size_bytes: bytes.length,
      bundle: "sha256:",
      signing_key_id: "sgk_1",
      signed_at: 1,
      cells: counter.cells,
      training_set_id: "ts_1",
      created_by: "usr_1",
      created_at: 1,
    }),
  );
});
afterAll(() => db.close());

const deps = (): TimelineDeps => ({
  work: db.uow,
  clock,
  authorizer: testAuthorizer({ auditor: ["predictions:read"], engineer: ["serving:read"] }),
  objects: { get: async () => bytes } as never,
  products: {
    published: async (_call, { from, to }) =>
      products.filter((one) => one.publishedAt >= from && one.publishedAt < to),
  },
  machines: { maySee: async (call) => call.actor.id !== "usr_guest" },
  endpoints: {
    require: async (_call, _environment, endpoint) => {
      if (endpoint === "hidden")
        throw new PortolanError("kernel.not_found", { detail: "there is no such endpoint" });
    },
  },
});
const timeline = (endpoint: string, role = "auditor") =>
  readTimeline(deps(), aCall({ roles: [role] }), {
    environment: "production",
    endpoint,
    from: start,
    to: end,
  });

interface Minute {
  readonly latency?: Partial<LatencyBreakdown>;
  /** Of each hundred requests so many fail. */
  readonly failing?: number;
  /** What is added to an input, and to the prediction. */
  readonly miles?: number;
  readonly late?: number;
}
let block = 0;
const writerId = newId("writer", systemClock.now());

function headerOf(endpoint: string, receivedAt: number): PredictionHeader {
  return {
    id: "prd_1",
    context: {
      organisationId: testOrganisation,
      useCaseId: "uc_1",
      endpoint,
      environment: "production",
      variant: "champion",
      snapshotVersion: 1,
      costTags: {},
    },
    principal: "sa_1",
    requestId: "r",
    receivedAt,
    latency: { totalMicros: 2200 },
    status: { kind: "ok" },
  };
}

/** An hour of requests as control counts them of records, forty a minute, and of gateways' drift counts. */
async function hour(endpoint: string, of: (minute: number) => Minute): Promise<void> {
  for (let at = 0; at < minutes; at++) {
    const { latency, failing = 0 } = of(at);
    const headers = Array.from(
      { length: 40 },
      (_, n): PredictionHeader => ({
        ...headerOf(endpoint, start + at * minute + n),
        latency: jittered({
          featuresMicros: 800,
          queueMicros: 200,
          runMicros: 900,
          totalMicros: 2200,
          ...latency,
        }),
        status:
          random() < failing / 100
            ? { kind: "error", httpStatus: 502, reason: "serving.model_failed" }
            : { kind: "ok" },
      }),
    );
    await countBlockRequests({ work: db.uow, clock }, aCall({ kind: "system", id: "control" }), [
      { writerId, epoch: 1, block: (block += 1), headers },
    ]);
  }
  for (let at = 0; at < minutes; at += 5) {
    const { miles = 0, late = 0 } = of(at);
    const rows = Array.from({ length: 200 }, () => random());
    const counts = new Uint32Array(counter.cells);
    counter.count(
      counts,
      rows.length,
      [
        { name: "miles", data: rows.map(() => (random() + miles) % 1.5) },
        { name: "carrier", data: rows },
      ],
      [{ name: "late", data: rows.map(() => Math.min(1, random() + late)) }],
    );
    await sql`insert into monitoring.drift_windows values (${testOrganisation}, 'production', 'uc_1', ${`ep_${endpoint}`}, ${endpoint}, 'champion', 'delays', 1, ${digest},
      ${start + at * minute}, 1, ${rows.length}, ${`{${counts.join(",")}}`}::bigint[])`.execute(db.sql);
  }
}

function jittered(latency: LatencyBreakdown): LatencyBreakdown {
  const scale = 0.7 + 0.9 * random();
  const of = (micros = 0): number => Math.round(micros * scale);
  return {
    featuresMicros: of(latency.featuresMicros),
    queueMicros: of(latency.queueMicros),
    runMicros: of(latency.runMicros),
    totalMicros: of(latency.totalMicros),
  };
}

/** A row of the ledger that has its place. */
async function recorded(event: string, at: number, detail: Record<string, JsonValue>): Promise<void> {
  await db.uow.write(aCall(), (tx) => tx.record({ event, subject: "rel_1", detail }));
  await sql`update ledger.rows set position = coalesce((select max(position) + 1 from ledger.rows), 0), at = ${start + at * minute}
    where event = ${event} and position is null`.execute(db.sql);
}

test("a slow enrichment is named in the data layer, though callers feel it as slow answers", async () => {
  await hour("enriched", (at) =>
    at < 35 ? {} : { latency: { featuresMicros: 90_000, totalMicros: 92_000 } },
  );
  const { ranking, series } = await timeline("enriched");
  expect(ranking[0]).toMatchObject({ layer: "data", what: "looking up features", kind: "change" });
  expect(ranking[0]?.at).toBe(start + 35 * minute);
  expect(ranking.map(({ what }) => what)).toEqual(["looking up features", "time of requests"]);
  expect(series.find(({ what }) => what === "inference")).toMatchObject({ layer: "model", isChanged: false });
});

test("a feature that drifts is named before the predictions that follow it", async () => {
  await hour("drifting", (at) => (at < 30 ? {} : { miles: 0.5, late: 0.3 }));
  const { ranking } = await timeline("drifting");
  expect(ranking.map(({ layer, what }) => `${layer}: ${what}`)).toEqual([
    "data: input miles",
    "model: prediction late",
  ]);
  expect(ranking[0]?.earliest).toBeLessThanOrEqual(start + 30 * minute);
  expect(ranking[0]?.latest).toBeGreaterThanOrEqual(start + 30 * minute);
});

test("a bad release is named before everything that it did; an earlier one and another endpoint's are not", async () => {
  const detail = (endpoint: string) => ({
    endpoint,
    environment: "production",
    candidate: "delays/2",
    step: 1,
  });
  await recorded("rollout.release.started", 5, detail("released"));
  await recorded("rollout.release.advanced", 40, detail("released"));
  await recorded("rollout.release.promoted", 41, detail("another"));
  await hour("released", (at) =>
    at < 41 ? {} : { failing: 20, late: 0.4, latency: { runMicros: 40_000, totalMicros: 42_000 } },
  );
  const { ranking, events } = await timeline("released");
  expect(ranking[0]).toMatchObject({
    kind: "event",
    layer: "release",
    what: "release advanced: delays/2",
    at: start + 40 * minute,
  });
  expect(ranking.slice(1).map(({ layer }) => layer)).toEqual(["model", "model", "service", "service"]);
  expect(events.filter(({ layer }) => layer === "release").map(({ what }) => what)).toEqual([
    "release started: delays/2",
    "release advanced: delays/2",
  ]);
});

test("a machine that runs out of processor is named in its layer, before the answers that it made slow; strangers see no machine", async () => {
  await hour("crowded", (at) => (at < 40 ? {} : { latency: { runMicros: 60_000, totalMicros: 62_000 } }));
  const seconds = new MachineMinutes();
  for (let second = 0; second < minutes * 60; second++)
    seconds.add(start + second * 1e6, { processors: second < 40 * 60 ? 30 : 99, memory: 40 });
  const call = aCall({ kind: "system", id: "control" });
  await keepMachineMinutes({ work: db.uow }, call, "host-1", seconds.take(end));
  const { ranking } = await timeline("crowded");
  expect(ranking.map(({ layer, what }) => `${layer}: ${what}`)).toEqual([
    "infrastructure: processors of host-1",
    "model: inference",
    "service: time of requests",
  ]);
  expect(ranking[0]).toMatchObject({ at: start + 40 * minute, before: 40, after: 100 });
  const guest = { environment: "production", endpoint: "crowded", from: start, to: end } as const;
  const { series } = await readTimeline(deps(), aCall({ id: "usr_guest", roles: ["engineer"] }), guest);
  expect(series.some(({ unit }) => unit === "percent")).toBe(false);
  await sql`delete from monitoring.machine_counts`.execute(db.sql);
});

test("data that came every five minutes and stops is named in the data layer, before the input that it leaves behind", async () => {
  products = Array.from({ length: 25 }, (_, n) => start - 80 * minute + n * 5 * minute).map(
    (publishedAt) => ({
      contract: "visits",
      publishedAt,
      newestEvent: publishedAt - minute,
    }),
  );
  await hour("stale", (at) => (at < 50 ? {} : { miles: 0.5 }));
  const { ranking, series } = await timeline("stale");
  products = [];
  expect(ranking.map(({ what }) => what)).toEqual(["age of visits", "input miles"]);
  expect(ranking[0]).toMatchObject({ layer: "data", earliest: start + 40 * minute, before: 360 });
  expect(series.find(({ unit }) => unit === "seconds")?.points).toHaveLength(60);
});

test("an hour without a fault names nothing; inputs are for whoever may read predictions, and nothing is for whoever may not see the endpoint", async () => {
  await hour("quiet", () => ({}));
  const gateway = { writerId: newId("writer", systemClock.now()), epoch: 4 };
  const later = { ...clock, now: () => asEpochMicros(start + 20 * minute) };
  const call = aCall({ kind: "system", id: "control" });
  for (const number of [0, 7])
    await countBlockRequests({ work: db.uow, clock: later }, call, [
      { ...gateway, block: number, headers: [headerOf("quiet", start + 20 * minute)] },
    ]);
  const quiet = await timeline("quiet");
  expect(quiet.events, "one for a start, not for each block").toEqual([
    { layer: "infrastructure", what: `a gateway started (${gateway.writerId})`, at: start + 20 * minute },
  ]);
  expect(quiet.ranking).toEqual([]);
  expect(quiet.series.filter(({ unit }) => unit === "psi").map(({ what }) => what)).toEqual([
    "input miles",
    "input carrier",
    "prediction late",
  ]);
  const { series } = await timeline("quiet", "engineer");
  expect(series.map(({ unit }) => unit)).not.toContain("psi");
  await expect(timeline("hidden")).rejects.toMatchObject({ code: "kernel.not_found" });
  await expect(timeline("nothing")).rejects.toMatchObject({ code: "monitoring.nothing_counted" });
  await expect(
    readTimeline(deps(), aCall(), { environment: "production", endpoint: "quiet", from: end, to: start }),
  ).rejects.toMatchObject({ code: "kernel.bad_request" });
});
