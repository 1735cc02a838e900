import {
  asEpochMicros,
  canonicalBytes,
  digestBytes,
  type JsonValue,
  newId,
  systemClock,
} from "@portolan/kernel";
import { ledgerMigrations, recordBatchDigest } from "@portolan/ledger";
import {
  aCall,
  fakeClock,
  openTestDatabase,
  type TestDatabase,
  testAuthorizer,
  testOrganisation,
} from "@portolan/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { listAlerts } from "../src/alerts/alert-store.ts";
import type { DriftPart, DriftReports, ReferenceProfile } from "../src/contract.ts";
import { DriftCounter } from "../src/drift-counter.ts";
import { acceptDrift, monitoringMigrations, readDriftReport, watchDrift } from "../src/index.ts";
import { levelsReference, numericReference } from "../src/reference-profile.ts";
import { insertProfile } from "../src/store.ts";

const repeat = <T>(value: T, times: number): T[] => Array.from({ length: times }, () => value);
const inputs = [
  numericReference(
    { tensor: "x", column: 0, name: "miles" },
    Array.from({ length: 5000 }, (_, at) => at),
  ),
  levelsReference({ tensor: "place", column: 0, name: "place" }, [
    ...repeat("a", 4000),
    ...repeat("b", 1000),
  ]),
  numericReference({ tensor: "gone", column: 0, name: "gone" }, [1, 2]),
];
const outputs = [
  numericReference({ tensor: "late", column: 0, name: "late" }, repeat([0, 0, 0, 1], 1250).flat()),
];
const counter = new DriftCounter({ inputs, outputs });
const profile: ReferenceProfile = {
  format: 1,
  model: { name: "delays", version: 1, digest: `sha256:${"ab".repeat(32)}` },
  data: { trainingSetId: "ts_1", digest: `sha256:${"cd".repeat(32)}`, rows: 5000, sampledEvery: 1 },
  rows: 5000,
  inputs,
  outputs,
  skipped: ["half: float16 is not counted"],
};
const bytes = canonicalBytes(profile as unknown as JsonValue);
const digest = digestBytes(bytes) as string;

let db: TestDatabase;
beforeAll(async () => {
  db = await openTestDatabase({ migrations: [ledgerMigrations, { ...monitoringMigrations, after: [] }] });
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

const authorizer = testAuthorizer({ gateway: ["predictions:deliver"], auditor: ["predictions:read"] });
const auditor = aCall({ roles: ["auditor"] });
const minute = 60_000_000;
const hour = 60 * minute;
/** Some hour of 2026. */
const start = 1_772_000_000_000_000 - (1_772_000_000_000_000 % hour);

/** Rows as the reference's are: every `step`-th of them, moved. */
function part(
  endpoint: string,
  at: number,
  rows: number,
  over: Partial<DriftPart> & { moved?: number; labels?: readonly number[] } = {},
): DriftPart {
  const { moved = 0, labels = [0, 0, 0, 1], ...rest } = over;
  const counts = new Uint32Array(counter.cells);
  const numbers = Array.from({ length: rows }, (_, row) => (row * 5000) / rows + moved);
  const places = numbers.map((_, row) => (row % 5 === 0 ? "b" : "a"));
  const said = numbers.map((_, row) => labels[row % labels.length] ?? 0);
  counter.count(
    counts,
    rows,
    [
      { name: "x", data: numbers },
      { name: "place", data: places },
    ],
    [{ name: "late", data: said }],
  );
  return {
    environment: "production",
    useCaseId: "uc_1",
    endpointId: `ep_${endpoint}`,
    endpoint,
    variant: "champion",
    model: "delays",
    version: 1,
    profile: digest,
    windowStart: start + at,
    oneIn: 1,
    rows,
    counts: [...counts],
    ...rest,
  };
}

async function deliver(...parts: readonly DriftPart[]): Promise<void> {
  const call = aCall({
    kind: "service_account",
    id: "sa_1",
    roles: ["gateway"],
    organisationId: testOrganisation,
  });
  const sent = { writer: newId("writer", systemClock.now()), epoch: 1, sequence: 1, parts: [...parts] };
  await acceptDrift({ work: db.uow, authorizer, recordBatch: recordBatchDigest }, call, sent);
}

function report(
  endpoint: string,
  query: { readonly from?: number; readonly to?: number } = {},
  call = auditor,
  most?: { readonly windows: number; readonly cells: number },
): Promise<DriftReports> {
  const objects = { get: async () => bytes } as never;
  return readDriftReport({ work: db.uow, authorizer, objects }, call, { endpoint, ...query }, most);
}

test("an input and an output that moved are named, beside what did not, what was not counted, and since when", async () => {
  await deliver(
    part("flights", 0, 1000),
    part("flights", hour, 1000, { moved: 400, labels: [0, 1] }),
    part("flights", 2 * hour, 1000, { moved: 400, labels: [0, 1] }),
  );
  const { reports, truncated, coveredFrom } = await report("flights");
  expect({ truncated, coveredFrom }).toEqual({ truncated: false, coveredFrom: start });
  const [one] = reports;
  expect(one).toMatchObject({
    endpoint: "flights",
    variant: "champion",
    verdict: "drift",
    verdicts: { inputs: "drift", outputs: "drift", quality: "drift" },
    referenceRows: 5000,
    skipped: profile.skipped,
  });
  const [miles, place, gone] = one?.inputs ?? [];
  expect(miles).toMatchObject({
    verdict: "drift",
    since: start + hour,
    newest: { rows: 1000, ks: { statistic: expect.closeTo(0.08, 12) } },
  });
  expect(miles?.quality).toMatchObject([
    { kind: "absent", verdict: "no_drift" },
    { kind: "outside", verdict: "drift", reference: 0, now: 0.08 },
  ]);
  expect(place).toMatchObject({ verdict: "no_drift", suspected: false });
  expect(gone).toMatchObject({ verdict: "not_counted", trend: [null, null, null] });
  expect(one?.outputs[0]).toMatchObject({ verdict: "drift", since: start + hour });
  const before = await report("flights", { to: start + hour });
  expect(before.reports[0]).toMatchObject({ verdict: "no_drift", inputs: [{ suspected: true }, {}, {}] });
});

test("sampled counts are judged by the rows that were counted: 150 of about 9,600 say nothing", async () => {
  await deliver(
    part("sampled", 0, 150, { oneIn: 64, moved: 2000 }),
    part("sampled", hour, 150, { oneIn: 64, moved: 2000 }),
  );
  const [one] = (await report("sampled")).reports;
  expect(one?.verdict).toBe("insufficient");
  expect(one?.windows.map(({ rows }) => rows)).toEqual([150, 150]);
  await deliver(part("mixed", 0, 150, { oneIn: 64 }), part("mixed", 0, 150));
  expect((await report("mixed")).reports[0]).toMatchObject({ verdict: "no_drift", windows: [{ rows: 300 }] });
});

test("the same hours are judged in the same windows whatever is asked; without a start, the newest day", async () => {
  const parts = Array.from({ length: 20 }, (_, at) => part("steady", at * 5 * minute, 400));
  await deliver(part("steady", -30 * hour, 400), ...parts);
  const whole = (await report("steady")).reports[0];
  expect(whole?.windows.map(({ rows }) => rows)).toEqual([1200, 1200, 1200, 1200, 1200, 1200, 800]);
  const later = await report("steady", { from: start + hour + 11 * minute });
  expect(later.coveredFrom).toBe(start + hour);
  expect(later.reports[0]?.windows).toEqual(whole?.windows.slice(4));
  const all = await report("steady", { from: 0 });
  expect(all.reports[0]?.windows).toHaveLength(8);
  const short = await report("steady", { from: 0 }, auditor, { windows: 15, cells: 1e9 });
  expect(short).toMatchObject({ truncated: true, coveredFrom: start + hour });
  expect(short.reports[0]?.windows).toEqual(whole?.windows.slice(4));
});

test("variants are judged apart; who may not read predictions is refused; an endpoint without counts says how to get them", async () => {
  await deliver(part("two", 0, 500), part("two", 0, 500, { variant: "shadow" }));
  expect((await report("two")).reports.map(({ variant }) => variant).toSorted()).toEqual([
    "champion",
    "shadow",
  ]);
  await expect(report("two", {}, aCall({ roles: [] }))).rejects.toMatchObject({ code: "identity.forbidden" });
  await expect(report("nowhere")).rejects.toMatchObject({
    code: "monitoring.nothing_counted",
    mend: expect.stringContaining("portolan model profile"),
  });
  await expect(report("two", { to: 1 })).rejects.toMatchObject({
    code: "monitoring.nothing_counted",
    mend: expect.stringContaining("--from"),
  });
});

test("however many ask at once, two reports are judged at a time, and all are answered", async () => {
  await deliver(part("asked", 0, 500));
  let [reading, most] = [0, 0];
  const get = async () => {
    most = Math.max(most, ++reading);
    await new Promise((resolve) => setTimeout(resolve, 20));
    reading--;
    return bytes;
  };
  const deps = { work: db.uow, authorizer, objects: { get } as never };
  const asked = Array.from({ length: 6 }, () => readDriftReport(deps, auditor, { endpoint: "asked" }));
  const answers = await Promise.all(asked);
  expect(answers.map(({ reports }) => reports.length)).toEqual([1, 1, 1, 1, 1, 1]);
  expect(most).toBe(2);
});

test("drift of predictions opens an alert and its end resolves it; drift of inputs alone, and of shadows, opens none", async () => {
  const drifting = { labels: [0, 1] } as const;
  for (const at of [0, hour, 2 * hour])
    await deliver(
      part("alerted", at, 1000, at === 0 ? {} : drifting),
      part("inputs-only", at, 1000, at === 0 ? {} : { moved: 400 }),
      part("shadowed", at, 1000, { variant: "shadow", ...(at === 0 ? {} : drifting) }),
    );
  const objects = { get: async () => bytes } as never;
  const callFor = () => aCall({ kind: "system", id: "control" });
  const round = (at: number) => {
    const clock = fakeClock();
    clock.set(asEpochMicros(start + at));
    return watchDrift({ work: db.uow, clock, objects }, callFor(), [testOrganisation], callFor);
  };
  const alerts = async () => {
    const found = await db.uow.read(aCall(), (sql) =>
      listAlerts(sql, { organisationId: testOrganisation, kind: "drift" }, 100),
    );
    return found
      .filter(({ endpoint }) => ["alerted", "inputs-only", "shadowed"].includes(endpoint))
      .map(({ endpoint, state, evidence }) => [endpoint, state, evidence["drifting"]]);
  };
  const detectedAfter = async () => {
    const found = await db.uow.read(aCall(), (sql) =>
      listAlerts(sql, { organisationId: testOrganisation, kind: "drift" }, 100),
    );
    return found
      .filter(({ endpoint }) => endpoint === "alerted")
      .map(({ evidence }) => evidence["detectedAfterSeconds"]);
  };
  await round(3 * hour);
  expect(await alerts()).toEqual([["alerted", "open", 1]]);
  expect(await detectedAfter(), "from the start of the second hour, the first that differed").toEqual([7200]);
  await round(3 * hour);
  expect(await alerts(), "it is open already").toHaveLength(1);
  await deliver(part("alerted", 3 * hour, 1000), part("alerted", 4 * hour, 1000));
  await round(5 * hour);
  expect(await alerts()).toEqual([["alerted", "resolved", 1]]);
  await deliver(part("alerted", 5 * hour, 1000, drifting), part("alerted", 6 * hour, 1000, drifting));
  await round(7.5 * hour);
  expect((await alerts())[0]).toEqual(["alerted", "open", 1]);
  expect((await detectedAfter())[0], "what differed before it recovered is no beginning").toBe(9000);
  await deliver(part("alerted", 7 * hour, 1000, { version: 2 }));
  await round(8 * hour);
  expect((await alerts())[0], "another version answers").toEqual(["alerted", "resolved", 1]);
});
