import { join } from "node:path";
import { createDuckDbEngine } from "@portolan/duckdb";
import { asEpochMicros } from "@portolan/kernel";
import { afterAll, beforeAll, expect, test } from "vitest";
import { waitFor } from "../../data/test/data-fixture.ts";
import { publishView } from "../src/index.ts";
import { appendDatasets, openLog } from "../src/log/append-datasets.ts";
import { type StoredSegment, segmentDigest, segmentsOf } from "../src/log/log-store.ts";
import { findView } from "../src/store.ts";
import { isValueView } from "../src/view-model.ts";
import { type AccountsFixture, accountsFixture, accountsView, minute } from "./accounts-fixture.ts";
import { readOnline } from "./features-fixture.ts";

/** docs/spec/features.md F15 to F19, end to end: files and events in, values out. The tests follow one another on one log. */

let f: AccountsFixture;
beforeAll(async () => {
  f = await accountsFixture();
});
afterAll(() => f.close());

async function openAccounts() {
  const stored = await f.deps.uow.read(f.call, (sql) =>
    findView(sql, f.call.actor.organisationId, "accounts"),
  );
  if (!stored || !isValueView(stored.body)) throw new Error("it is not published");
  const { body: view, digest } = stored;
  const log = await openLog(f.deps, f.call, { view, digest, environment: "dev", owner: {} });
  return { log, view, digest };
}

async function segments(): Promise<StoredSegment[]> {
  const { log } = await openAccounts();
  return f.deps.uow.read(f.call, (sql) => segmentsOf(sql, log.id));
}

async function online(account: string, at: number) {
  const { digest } = await openAccounts();
  const { organisationId } = f.call.actor;
  const view = { organisationId, environment: "dev", view: "accounts@1", digest };
  return readOnline(f, view, [account], minute(at));
}

const values = (balance: number | null, rating: number | null) => ({
  balance: { value: balance, status: balance === null ? "null" : "present" },
  rating: { value: rating, status: rating === null ? "null" : "present" },
  is_overdrawn: {
    value: balance === null ? null : Number(balance < 0),
    status: balance === null ? "null" : "present",
  },
});

test("a materialisation takes the dataset into the log and the log into the store", async () => {
  const dataset = await f.changes(
    "monday.jsonl",
    { account: "a", at: 0, cents: 100, rating: 0.1 },
    { account: "a", at: 10, known: 20, cents: -200, rating: 0.2 },
    { account: "b", at: 5, cents: 7 },
    // No record: it has no key.
    { account: null, at: 6, cents: 8 },
    { account: "c", at: 1, cents: 1 },
    { account: "c", at: 2, op: "D" },
  );
  expect(await f.materialized(15)).toMatchObject({ state: "done", keyCount: 3 });
  const [segment, ...others] = await segments();
  expect(others).toEqual([]);
  expect(segment).toMatchObject({
    number: 1,
    first_sequence: 1,
    last_sequence: 5,
    record_count: 5,
    without_key: 1,
    left_out: 1,
    dataset_id: dataset,
    previous: null,
  });
  expect(await online("a", 15)).toEqual({ status: "found", asOf: minute(0), values: values(100, 0.1) });
  // Known from minute 20 on, in the store already, and not a microsecond earlier.
  const { digest } = await openAccounts();
  const view = {
    organisationId: f.call.actor.organisationId,
    environment: "dev",
    view: "accounts@1",
    digest,
  };
  const before = await readOnline(f, view, ["a"], asEpochMicros(minute(20) - 1));
  expect(before.values["balance"]?.value).toBe(100);
  expect(await online("a", 20)).toEqual({ status: "found", asOf: minute(10), values: values(-200, 0.2) });
  expect(await online("b", 15)).toMatchObject({ values: { rating: { value: null, status: "null" } } });
  expect((await online("b", 65)).status).toBe("found");
  expect((await online("b", 66)).values["balance"]).toEqual({ value: null, status: "outside_max_age" });
  expect((await online("c", 15)).status).toBe("not_found");
  expect((await online("nobody", 15)).status).toBe("not_found");
});

test("the same snapshot again adds nothing, and a restated row adds nothing either", async () => {
  expect(await f.materialized(16)).toMatchObject({ state: "done", keyCount: 0 });
  expect(await segments()).toHaveLength(1);
  await f.changes(
    "tuesday.jsonl",
    { account: "a", at: 0, cents: 100, rating: 0.1 },
    // A correction of the same event, with no later availability: what was said last counts.
    { account: "b", at: 5, cents: 8 },
    { account: "d", at: 15, cents: 4 },
  );
  const [, second] = await waitFor(segments, (found) => found.length === 2);
  expect(second).toMatchObject({ first_sequence: 6, last_sequence: 7, record_count: 2 });
  await waitFor(
    async () => (await online("b", 17)).values["balance"]?.value,
    (value) => value === 8,
  );
});

test("segments are a chain of digests over their manifests, and their bytes are what the manifest says (F22)", async () => {
  let previous: string | null = null;
  for (const { digest, appended_at: _, ...manifest } of await segments()) {
    expect(manifest.previous).toBe(previous);
    expect(segmentDigest(manifest)).toBe(digest);
    expect(await f.deps.objects.localPath(manifest.object as never)).toContain("/");
    previous = digest;
  }
});

test("rows that are stated again after others took their place are the log's last word (F21)", async () => {
  const known = (await segments()).length;
  const states = async (name: string, cents: number) => {
    const at = new Date(minute(30) / 1000).toISOString();
    const line = JSON.stringify({ account: "back", at, known: at, op: "U", cents, rating: 1 });
    return f.ingest(name, `${line}\n`, { contract: "changes" });
  };
  const first = await states("a.jsonl", 1);
  await states("b.jsonl", 2);
  // The same rows are the same object, and another batch.
  const again = await states("a-again.jsonl", 1);
  expect(again.datasetId).not.toBe(first.datasetId);
  const [a, b, last] = (await waitFor(segments, (found) => found.length === known + 3)).slice(-3);
  expect([a?.record_count, b?.record_count, last?.record_count]).toEqual([1, 1, 1]);
  expect([last?.dataset, last?.dataset_id]).toEqual([a?.dataset, again.datasetId]);
  await waitFor(
    async () => (await online("back", 31)).values["balance"]?.value,
    (value) => value === 1,
  );
  // Nothing came in between: the very same delivery is the same batch.
  expect((await states("a-once-more.jsonl", 1)).datasetId).toBe(again.datasetId);
});

test("accepted events reach the log and the store without anybody asking", async () => {
  const now = (Date.now() * 1000 - minute(0)) / 60_000_000;
  const at = Math.floor(now) - 1;
  await f.post({ account: "live", at, cents: 42, rating: 1.5 });
  await waitFor(
    async () => (await online("live", at + 1)).status,
    (status) => status === "found",
  );
  expect(await online("live", at + 1)).toEqual({
    status: "found",
    asOf: minute(at),
    values: values(42, 1.5),
  });
});

test("a disk that is full in the middle of a segment leaves the log as it was, and the next writer goes on", async () => {
  const { log, view } = await openAccounts();
  const { object } = (await segments())[0] ?? {};
  const before = await segments();
  // Another definition's log, so that no follower of the file is faster.
  const other = { ...view, version: 2 };
  const place = { view: other, digest: `sha256:${"0".repeat(64)}`, environment: "dev" as const, owner: {} };
  const fresh = await openLog(f.deps, f.call, place, before[0]?.dataset_id);
  const full = { ...f.deps, engine: createDuckDbEngine({ outputLimitBytes: 1 }) };
  await expect(appendDatasets(full, f.call, fresh, other)).rejects.toMatchObject({
    code: "data.analysis_too_large",
  });
  const read = (of: string) => f.deps.uow.read(f.call, (sql) => segmentsOf(sql, of));
  expect(await read(fresh.id)).toEqual([]);
  expect(await read(log.id)).toEqual(before);
  // The same datasets give the same bytes, whoever writes them.
  expect((await appendDatasets(f.deps, f.call, fresh, other))[0]?.object).toBe(object);
});

test("two writers at once take turns: every dataset is in the log once, and no sequence is given twice (F22)", async () => {
  const { log, view } = await openAccounts();
  await f.changes("w1.jsonl", { account: "w", at: 1, cents: 1 });
  await f.changes("w2.jsonl", { account: "w", at: 2, cents: 2 });
  // The followers of the two files race with these.
  await Promise.all([1, 2, 3].map(() => appendDatasets(f.deps, f.call, log, view)));
  const found = await segments();
  expect(new Set(found.map(({ dataset_id: dataset }) => dataset)).size).toBe(found.length);
  let last = 0;
  for (const segment of found) {
    expect(segment.first_sequence).toBe(last + 1);
    expect(segment.last_sequence).toBe(last + segment.record_count);
    last = segment.last_sequence;
  }
});

test("a training set reads the log as of each row's moment, drops and merges nothing, and its manifest says what it read", async () => {
  await f.payments(
    "payments.jsonl",
    { account: "a", at: 9 },
    { account: "a", at: 20 },
    { account: "a", at: 20 },
    { account: "a", at: 71 },
    { account: "c", at: 1 },
    { account: "c", at: 2 },
    { account: "nobody", at: 3 },
    { account: null, at: 4 },
  );
  // Windows over the rows themselves, in which a row without a key counts for nobody.
  const spending = accountsView
    .replace("name: accounts", "name: spending")
    .replace("source: changes", "source: payments")
    .replace(
      /available[^]*/,
      "available: at\nttl: 1h\nfeatures:\n  - { name: paid_1h, aggregate: count, window: 1h }\n",
    );
  await publishView(f.deps, f.call, "spending", { document: spending });
  const set = await f.trainingSet({
    name: "payments",
    environment: "dev",
    contract: "payments",
    from: minute(0),
    to: minute(1000),
    sampleEvery: 1,
    views: ["accounts", "spending"].map((name) => ({ view: name, entity: {} })),
    request: [],
    label: { name: "amount", expression: "amount" },
  });
  expect(set.failure).toBeUndefined();
  const last = (await segments()).at(-1);
  expect(set.manifest).toMatchObject({
    rowsBefore: 8,
    rowsAfter: 8,
    parity: { sampledRows: 8, mismatches: 0 },
    features: ["balance", "rating", "is_overdrawn", "paid_1h"],
    views: [
      {
        view: "accounts@1",
        log: { digest: last?.digest, lastSequence: last?.last_sequence },
        rows: { found: 4, notFound: 3, outsideMaxAge: 1 },
        nullKeys: { entityRows: 1, sourceRows: 1 },
      },
      {
        view: "spending@1",
        rows: { found: 7, notFound: 1, outsideMaxAge: 0 },
        nullKeys: { entityRows: 1, sourceRows: 1 },
      },
    ],
    nulls: { balance: 4 },
    statuses: {
      balance: { present: 4, null: 0, notFound: 3, outsideMaxAge: 1 },
      paid_1h: { present: 7, null: 0, notFound: 1, outsideMaxAge: 0 },
    },
  });
  const path = await f.deps.objects.localPath(set.manifest?.object as never);
  const { rows } = await f.deps.engine.run({
    statements: [{ sql: `select * from read_parquet('${path}') order by _at, _row`, returns: "rows" }],
    readable: [path],
    workFolder: join(f.folder, "look"),
  });
  expect(rows["rows"]?.map((row) => [row["balance"], row["_status_accounts"]])).toEqual([
    ["1", "found"],
    [null, "not_found"],
    [null, "not_found"],
    // It is of no account: kept, and nothing is known of it.
    [null, "not_found"],
    ["100", "found"],
    ["-200", "found"],
    ["-200", "found"],
    [null, "outside_max_age"],
  ]);
});
