import {
  type CallContext,
  canonicalBytes,
  type Digest,
  digestBytes,
  type JsonValue,
  newId,
  systemClock,
} from "@portolan/kernel";
import { ledgerMigrations, recordBatchDigest } from "@portolan/ledger";
import {
  aCall,
  openTestDatabase,
  type TestDatabase,
  testAuthorizer,
  testOrganisation,
} from "@portolan/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cellCount } from "../src/cells.ts";
import type { DriftDelivery, DriftPart, ReferenceProfile } from "../src/contract.ts";
import { acceptDrift, monitoringMigrations, readDrift } from "../src/index.ts";
import { levelsReference, numericReference } from "../src/reference-profile.ts";
import { findProfile, findProfiles, insertProfile } from "../src/store.ts";
import type { ReadingBounds } from "../src/window-series.ts";

const inputs = [
  numericReference({ tensor: "x", column: 0, name: "miles" }, [1, 2, 3, 4]),
  levelsReference({ tensor: "place", column: 0, name: "place" }, ["a", "a", "a", "a", "a"]),
];
const outputs = [numericReference({ tensor: "late", column: 0, name: "late" }, [0, 1])];
const cells = [...inputs, ...outputs].reduce((sum, column) => sum + cellCount(column), 0);
const profile: ReferenceProfile = {
  format: 1,
  model: { name: "delays", version: 1, digest: `sha256:${"ab".repeat(32)}` },
  data: { trainingSetId: "ts_1", digest: `sha256:${"cd".repeat(32)}`, rows: 4, sampledEvery: 1 },
  rows: 4,
  inputs,
  outputs,
  skipped: [],
};
const bytes = canonicalBytes(profile as unknown as JsonValue);
const digest = digestBytes(bytes);

const profileRow = {
  organisation_id: testOrganisation,
  version_id: "mv_1",
  model: "delays",
  version: 1,
  digest: digest as string,
  size_bytes: bytes.length,
  bundle: "sha256:",
  signing_key_id: "sgk_1",
  signed_at: 1,
  cells,
  training_set_id: "ts_1",
  created_by: "usr_1",
  created_at: 1,
};
const publish = (row: typeof profileRow) => db.uow.write(aCall(), (tx) => insertProfile(tx.sql, row));

let db: TestDatabase;
beforeAll(async () => {
  db = await openTestDatabase({
    migrations: [ledgerMigrations, { ...monitoringMigrations, after: [] }],
  });
  await publish(profileRow);
});
afterAll(() => db.close());

const authorizer = testAuthorizer({ gateway: ["predictions:deliver"], auditor: ["predictions:read"] });
const deps = () => ({ work: db.uow, authorizer, recordBatch: recordBatchDigest });
const gateway = (id: string, organisationId = testOrganisation) =>
  aCall({ kind: "service_account", id, roles: ["gateway"], organisationId });
const reading = (
  endpoint: string,
  call = aCall({ roles: ["auditor"] }),
  ...more: [query?: object, most?: ReadingBounds]
) => {
  const [query, most] = more;
  const objects = { get: async () => bytes } as never;
  return readDrift({ work: db.uow, authorizer, objects }, call, { endpoint, ...query }, most);
};
const read = async (endpoint: string, call?: CallContext) => (await reading(endpoint, call)).counts;

function part(endpoint: string, counts: readonly number[], over: Partial<DriftPart> = {}): DriftPart {
  return {
    environment: "production",
    useCaseId: "uc_1",
    endpointId: `ep_${endpoint}`,
    endpoint,
    variant: "champion",
    model: "delays",
    version: 1,
    profile: digest,
    windowStart: 300_000_000,
    oneIn: 1,
    rows: counts[0] ?? 0,
    counts: [...counts],
    ...over,
  };
}
const counted = (seed: number): number[] =>
  Array.from({ length: cells }, (_, cell) => (seed * 31 + cell * 7) % 1000);
const writer = () => newId("writer", systemClock.now());
const delivery = (of: string, sequence: number, parts: readonly DriftPart[], epoch = 1): DriftDelivery => ({
  writer: of,
  epoch,
  sequence,
  parts: [...parts],
});

test("what several processes counted adds up exactly, in whatever order it comes and however often it is sent", async () => {
  const orders = [
    [0, 1, 2, 3],
    [3, 2, 1, 0],
    [2, 0, 3, 1],
  ];
  const sums: unknown[] = [];
  for (const [at, order] of orders.entries()) {
    const endpoint = `e${at}`;
    const writers = [writer(), writer(), writer(), writer()];
    for (const one of order) {
      const sent = delivery(writers[one] ?? "", 1, [part(endpoint, counted(one))]);
      const call = gateway(`sa_${one}`);
      expect(await acceptDrift(deps(), call, sent)).toEqual({ kind: "accepted" });
      expect(await acceptDrift(deps(), gateway(`sa_${one}`), sent)).toEqual({ kind: "duplicate" });
    }
    const [total] = await read(endpoint);
    sums.push([...(total?.inputs ?? []), ...(total?.outputs ?? [])].flatMap(({ counts }) => counts));
  }
  const expected = counted(0).map((_, cell) =>
    [0, 1, 2, 3].reduce((sum, one) => sum + (counted(one)[cell] ?? 0), 0),
  );
  expect(sums).toEqual([expected, expected, expected]);
});

test("beyond 32 bits counts stay whole", async () => {
  const most = Array.from({ length: cells }, () => 2 ** 32 - 1);
  const one = writer();
  for (let sequence = 1; sequence <= 3; sequence++)
    await acceptDrift(deps(), gateway("sa_big"), delivery(one, sequence, [part("big", most)]));
  expect((await read("big"))[0]?.outputs[0]?.counts[0]).toBe(3 * (2 ** 32 - 1));
});

test("a restart counts on under its own epoch; windows and samplings stay apart and are shown", async () => {
  const one = writer();
  await acceptDrift(deps(), gateway("sa_1"), delivery(one, 5, [part("apart", counted(1), { rows: 10 })]));
  await acceptDrift(
    deps(),
    gateway("sa_1"),
    delivery(one, 1, [part("apart", counted(2), { rows: 3, oneIn: 4, windowStart: 600_000_000 })], 2),
  );
  const [total] = await read("apart");
  expect(total).toMatchObject({
    rows: 13,
    estimatedRows: 22,
    windows: [
      { start: 600_000_000, rows: 3, oneIn: 4 },
      { start: 300_000_000, rows: 10, oneIn: 1 },
    ],
  });
  expect(total?.inputs[1]).toMatchObject({ cells: ["a", "others", "null"], reference: { name: "place" } });
});

test("numbers are of one environment: what had to wait in one is added after later ones of another, and once", async () => {
  const one = writer();
  const dev = delivery(one, 1, [part("mixed", counted(1), { environment: "dev" })]);
  expect(await acceptDrift(deps(), gateway("sa_1"), delivery(one, 2, [part("mixed", counted(2))]))).toEqual({
    kind: "accepted",
  });
  expect(await acceptDrift(deps(), gateway("sa_1"), dev)).toEqual({ kind: "accepted" });
  expect(await acceptDrift(deps(), gateway("sa_1"), dev)).toEqual({ kind: "duplicate" });
  const both = [part("mixed", counted(3)), part("mixed", counted(4), { environment: "dev" })];
  expect(await acceptDrift(deps(), gateway("sa_1"), delivery(one, 2, both))).toEqual({ kind: "accepted" });
  const rows = Object.fromEntries((await read("mixed")).map((found) => [found.environment, found.rows]));
  expect(rows).toEqual({ production: counted(2)[0], dev: (counted(1)[0] ?? 0) + (counted(4)[0] ?? 0) });
});

test("counts that fit no profile, another's writer and a foreign organisation change nothing", async () => {
  const one = writer();
  const short = delivery(one, 1, [part("none", counted(1)), part("none", [1, 2, 3], { version: 2 })]);
  await expect(acceptDrift(deps(), gateway("sa_1"), short)).rejects.toMatchObject({
    code: "monitoring.counts_malformed",
  });
  const unknown = `sha256:${"00".repeat(32)}` as Digest;
  await expect(
    acceptDrift(deps(), gateway("sa_1"), delivery(one, 1, [part("none", counted(1), { profile: unknown })])),
  ).rejects.toMatchObject({ code: "monitoring.profile_unknown" });
  const stranger = aCall({ roles: [] });
  await expect(
    acceptDrift(deps(), stranger, delivery(one, 1, [part("none", counted(1))])),
  ).rejects.toMatchObject({ code: "identity.forbidden" });
  expect(await read("none"), "a refused delivery takes no number and leaves no counts").toEqual([]);
  await acceptDrift(deps(), gateway("sa_1"), delivery(one, 1, [part("mine", counted(1))]));
  await expect(
    acceptDrift(deps(), gateway("sa_2"), delivery(one, 99, [part("mine", counted(1))])),
  ).rejects.toMatchObject({ code: "monitoring.writer_taken" });
  await expect(read("mine", aCall({ roles: [] }))).rejects.toMatchObject({ code: "identity.forbidden" });
});

test("a version that is profiled on A, on B and on A again has the profile of A, as it was signed last", async () => {
  const own = { ...profileRow, version_id: "mv_2", model: "again" };
  const a = { ...own, digest: `sha256:${"0a".repeat(32)}`, training_set_id: "ts_a" };
  const b = { ...own, digest: `sha256:${"0b".repeat(32)}`, training_set_id: "ts_b" };
  const newest = async () => {
    const found = await db.uow.read(aCall(), (sql) => findProfile(sql, testOrganisation, "again", 1));
    const [listed] = await db.uow.read(aCall(), (sql) =>
      findProfiles(sql, testOrganisation, [{ name: "again", version: 1 }]),
    );
    expect(listed).toEqual(found);
    return found;
  };
  await publish({ ...a, created_at: 10, bundle: "sha256:first" });
  await publish({ ...b, created_at: 20 });
  expect(await newest()).toMatchObject({ digest: b.digest, training_set_id: "ts_b" });
  await publish({ ...a, created_at: 30, signed_at: 29, bundle: "sha256:second" });
  expect(await newest()).toMatchObject({ digest: a.digest, signed_at: 29, bundle: "sha256:second" });
});

test("a long stretch is added up as far as one answer goes, every version over the same part of it, and the answer says so", async () => {
  const one = writer();
  const windowOf = (at: number, over: Partial<DriftPart> = {}) =>
    part("long", counted(at), { windowStart: at * 300_000_000, rows: at, ...over });
  const parts = [1, 2, 3, 4].flatMap((at) => [windowOf(at), windowOf(at, { variant: "shadow" })]);
  await acceptDrift(deps(), gateway("sa_1"), delivery(one, 1, parts));
  const auditor = aCall({ roles: ["auditor"] });
  const whole = await reading("long", auditor);
  expect(whole).toMatchObject({ truncated: false, coveredFrom: 300_000_000 });
  expect(whole.counts.map(({ rows }) => rows)).toEqual([10, 10]);
  const cellsOf = (found: typeof whole) =>
    found.counts.map(({ inputs: own, outputs: said }) => [...own, ...said].flatMap(({ counts }) => counts));
  const sum = (...of: number[]) =>
    counted(0).map((_, cell) => of.reduce((total, at) => total + (counted(at)[cell] ?? 0), 0));
  expect(cellsOf(whole)).toEqual([sum(1, 2, 3, 4), sum(1, 2, 3, 4)]);
  for (const most of [
    { windows: 5, cells: 1e9 },
    { windows: 1000, cells: 5 * cells },
  ]) {
    const newest = await reading("long", auditor, {}, most);
    expect(newest).toMatchObject({ truncated: true, coveredFrom: 900_000_000 });
    expect(cellsOf(newest)).toEqual([sum(3, 4), sum(3, 4)]);
    const before = await reading("long", auditor, { to: 900_000_000 - 1 }, most);
    expect(before).toMatchObject({ truncated: false, coveredFrom: 300_000_000 });
    expect(cellsOf(before)).toEqual([sum(1, 2), sum(1, 2)]);
  }
  expect(await reading("nowhere", auditor)).toEqual({ counts: [], truncated: false });
});

test("only what the reader may see of an endpoint is added up, decided once per use case", async () => {
  const own = [1, 2, 3].map((at) => part("shared", counted(at), { windowStart: at * 300_000_000 }));
  const other = own.map((one) => ({ ...one, endpointId: "ep_other", useCaseId: "uc_2", rows: 1000 }));
  await acceptDrift(deps(), gateway("sa_1"), delivery(writer(), 1, [...own, ...other]));
  let decisions = 0;
  const narrow: typeof authorizer = {
    ...authorizer,
    async decide(call, action, resource) {
      decisions++;
      if (resource.useCaseId === "uc_2") return { allowed: false, reason: "another team's" };
      return authorizer.decide(call, action, resource);
    },
  };
  const objects = { get: async () => bytes } as never;
  const auditor = aCall({ roles: ["auditor"] });
  const seen = await readDrift({ work: db.uow, authorizer: narrow, objects }, auditor, {
    endpoint: "shared",
  });
  expect(seen.counts.map(({ rows }) => rows)).toEqual([
    [1, 2, 3].reduce((sum, at) => sum + (counted(at)[0] ?? 0), 0),
  ]);
  expect(decisions).toBeLessThanOrEqual(2 + 3);
});
