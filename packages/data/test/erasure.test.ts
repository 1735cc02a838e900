import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { listOpenJobs } from "@portolan/database";
import type { Digest, JsonForm, Transaction } from "@portolan/kernel";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventPlace } from "../src/erasure/event-place.ts";
import {
  type DataDeps,
  dataPlaces,
  type EraseJobDeps,
  eraseJob,
  orderErasure,
  placeDataHold,
  publishContract,
  readErasure,
  receiveEvents,
  releaseDataHold,
  startIngestion,
} from "../src/index.ts";
import type { IngestionView } from "../src/resources.ts";
import { type DataFixture, dataFixture, hold, waitFor } from "./data-fixture.ts";

let f: DataFixture;

const placesOf = (all: DataDeps): EraseJobDeps => ({
  uow: all.uow,
  objects: all.objects,
  engine: all.engine,
  workFolder: all.workFolder,
  bytes: all.bytes,
  rowPlaces: dataPlaces,
  directPlaces: [eventPlace(all)],
  models: { trainedOn: () => Promise.resolve([]) },
  searches: [],
  names: [],
  inFlight: (sql, { organisationId, environments }) =>
    listOpenJobs(sql, { organisationId, environments, queues: ["features.follow_log"] }),
});

const mark = ", customProperties: [{ property: portolan.subject, value: true }]";
const contract = (name: string, customer: string, version: string): string => `apiVersion: v3.1.0
kind: DataContract
id: ${name}
name: ${name}
version: ${version}
status: active
description: { purpose: test }
team: { members: [{ username: o, role: owner }] }
schema:
  - name: ${name}
    logicalType: object
    customProperties: [{ property: portolan.eventTime, value: at }, { property: portolan.maxBadShare, value: 0.9 }]
    properties:
      - { name: customer, ${customer} }
      - { name: at, logicalType: timestamp }
      - { name: wait, logicalType: integer }
`;

beforeAll(async () => {
  f = await dataFixture([], (all) => [eraseJob(placesOf(all))]);
});
afterAll(() => f.close());

async function publish(name: string, customer: string, version = "1.0.0"): Promise<void> {
  const document = contract(name, customer, version);
  await publishContract(f.deps, f.call, name, { document, references: {} });
}

interface Delivered {
  readonly objects: readonly Digest[];
  readonly ingestion: IngestionView;
}

/** One batch of several files. */
async function delivered(
  name: string,
  ...files: readonly (readonly ["csv" | "jsonl" | "parquet", string | Uint8Array])[]
): Promise<Delivered> {
  const sources: { object: Digest; format: (typeof files)[number][0] }[] = [];
  for (const [format, bytes] of files) {
    const object = await hold(f.deps, f.call, { environment: "dev" }, Buffer.from(bytes));
    sources.push({ object, format });
  }
  const { id } = await startIngestion(f.deps, f.call, { contract: name, environment: "dev", sources });
  return { objects: sources.map(({ object }) => object), ingestion: await f.settled(id) };
}

const there = (objects: readonly Digest[]): Promise<boolean[]> =>
  Promise.all(objects.map((object) => f.deps.objects.has(object)));

/** A Parquet file of what a query selects. */
async function parquet(query: string): Promise<Uint8Array> {
  const path = join(f.folder, "made.parquet");
  const sql = `copy (${query}) to '${path}' (format parquet)`;
  await f.deps.engine.run({ statements: [{ sql }], readable: [], workFolder: f.folder });
  return readFile(path);
}

async function erased(subject: string) {
  const order = { subject, reason: "asked for", environments: ["dev"] } as const;
  const { id } = await orderErasure(f.deps, f.call, order);
  return waitFor(
    () => readErasure(f.deps, f.call, id),
    ({ finishedAt }) => finishedAt !== undefined,
  );
}

const row = (customer: string | number, wait: number): string =>
  JSON.stringify({ customer, at: "2026-01-01T10:00:00Z", wait });

test("a short name is told by the columns of a source: what holds it by chance is somebody else's, and stays", async () => {
  await publish("people", `logicalType: string${mark}`);
  const csv = (customer: string, wait: number): string =>
    `customer;at;wait\n"${customer}";2026-01-01T10:00:00Z;${wait}\n`;
  const table = (customer: string, note: string): Promise<Uint8Array> =>
    parquet(
      `select '${customer}' as customer, timestamptz '2026-01-01 10:00:00Z' as at, 3 as wait, '${note}' as note`,
    );
  const theirs = await delivered(
    "people",
    ["csv", csv("17", 3)],
    ["jsonl", row("17", 4)],
    ["parquet", await table("17", "x")],
  );
  const others = await delivered(
    "people",
    ["csv", csv("customer-a", 17)],
    ["jsonl", `${row("customer-b", 17)}\n{"customer": 17 broken\n`],
    ["parquet", await table("customer-c", "17 minutes late")],
    ["csv", "at;wait\n2026-01-01T10:00:00Z;17\n"],
  );
  const damaged = await delivered("people", ["parquet", "no Parquet, and 17"]);
  const { state, report } = await erased("17");
  expect(state).toBe("erased");
  expect(report?.erased).toEqual({ "dataset snapshots": 3, "stored sources": 3 });
  expect(await there(theirs.objects)).toEqual([false, false, false]);
  expect(await there([...others.objects, ...damaged.objects])).toEqual([true, true, true, true, true]);
  expect(await f.rowsOf(others.ingestion.deadLetters)).toHaveLength(1);
  const untold = report?.notSearched.find((line) => line.startsWith("source of people"));
  expect(untold).toContain(others.ingestion.id);
  expect(untold).toContain(damaged.ingestion.id);
});

test("a name that is a number is found in columns of numbers: where they are marked it goes, elsewhere it is reported", async () => {
  await publish("visits", `logicalType: integer${mark}`);
  const table = await parquet(
    "select 471100::bigint as customer, timestamptz '2026-01-01 10:00:00Z' as at, 3 as wait",
  );
  const { objects } = await delivered("visits", ["parquet", table]);
  // Nothing marks this one's column: it may be somebody else's number.
  await publish("queues", "logicalType: integer");
  await delivered("queues", ["jsonl", row("none", 471100)]);
  const { state, report } = await erased("471100");
  expect(report?.erased).toEqual({ "dataset snapshots": 1, "stored sources": 2 });
  expect(await there(objects)).toEqual([false]);
  expect(state).toBe("incomplete");
  expect(report?.remains).toMatchObject([{ where: "stored objects", hits: 1 }]);
});

test("a mark that came later counts for what was stored before it", async () => {
  await publish("later", "logicalType: string");
  const { objects, ingestion } = await delivered("later", ["jsonl", row("42", 1)]);
  expect((await erased("42")).report).toMatchObject({ erased: {}, unmarked: ["later"] });
  await publish("later", `logicalType: string${mark}`, "1.1.0");
  expect((await erased("42")).report).toMatchObject({
    erased: { "dataset snapshots": 1, "stored sources": 1 },
    unmarked: [],
  });
  expect(await there(objects)).toEqual([false]);
  expect(ingestion.datasetId).toBeDefined();
});

/** Runs an order as its job would, and something else once a step of this name is done. */
async function interrupted(subject: string, after: string, doing: () => Promise<unknown>) {
  const id = `ers_${after.split(" ")[0]}_${subject}`;
  await f.db.database.session((session) =>
    session.query(
      `insert into data.erasures (id, organisation_id, environments, subject, columns, dry_run, reason, state, ordered_by, ordered_at)
       values ($1, $2, '["dev"]', $3, '[]', false, 'asked', 'waiting', 'usr', 1)`,
      [id, f.call.actor.organisationId, subject],
    ),
  );
  let isDone = false;
  const did = async <T>(name: string, result: T): Promise<T> => {
    if (name.startsWith(after) && !isDone) {
      isDone = true;
      await doing();
    }
    return result;
  };
  await eraseJob(placesOf(f.deps)).run({
    id: "job_interrupted",
    payload: { erasureId: id },
    call: f.call,
    signal: new AbortController().signal,
    finalAttempt: true,
    progress: () => Promise.resolve(),
    log: () => Promise.resolve(),
    step: async <T>(name: string, work: (tx: Transaction) => Promise<T & JsonForm<T>>) =>
      did(name, await f.deps.uow.write(f.call, work)),
    effect: async <T>(name: string, work: (key: string) => Promise<T & JsonForm<T>>) =>
      did(name, await work(name)),
  });
  return readErasure(f.deps, f.call, id);
}

test("a hold that is placed while an order runs keeps what is left, and the order says which", async () => {
  await publish("held", `logicalType: string${mark}`);
  for (const [index, after] of ["look 0", "rewrite 1", "replace 1"].entries()) {
    const subject = `held-customer-${index}`;
    const { objects } = await delivered("held", ["jsonl", row(subject, index)]);
    const body = row(subject, 9);
    await receiveEvents({ ...f.deps, eventWindowMs: 3_600_000 }, f.call, "held", {
      environment: "dev",
      body,
    });
    let hold = "";
    const { state, report } = await interrupted(subject, after, async () => {
      const scope = { environment: "dev", contract: "held" } as const;
      hold = (await placeDataHold(f.deps, f.call, scope, "a claim")).id;
    });
    const kept = report?.remains.filter(({ heldBy }) => heldBy?.includes(hold)).map(({ where }) => where);
    expect([after, state]).toEqual([after, "incomplete"]);
    expect(report?.erased).toEqual(after === "replace 1" ? { "dataset snapshots": 1 } : {});
    expect(kept).toEqual([
      ...(after === "replace 1" ? [] : ["dataset snapshots"]),
      "stored sources",
      "waiting events",
    ]);
    expect(await there(objects)).toEqual([true]);
    await releaseDataHold(f.deps, f.call, hold, "settled");
  }
});

test("an order waits for what is being made of the data", async () => {
  // No worker here takes it: it is under way until it is cancelled.
  const place = { environment: "dev" } as const;
  const jobId = await f.deps.uow.write(f.call, (tx) =>
    tx.enqueue({ queue: "features.follow_log", payload: {}, key: "log:dataset", place }),
  );
  const order = { subject: "nobody-at-all", reason: "asked for", environments: ["dev"] } as const;
  const { id } = await orderErasure(f.deps, f.call, order);
  const deferred = await waitFor(
    () => jobOf(id),
    (job) => (job?.deferrals ?? 0) > 0,
  );
  expect(deferred?.state).toBe("waiting");
  expect((await readErasure(f.deps, f.call, id)).state).toBe("waiting");
  await f.deps.uow.write(f.call, (tx) => f.db.jobs.cancel(tx, jobId));
  const done = await waitFor(
    () => readErasure(f.deps, f.call, id),
    ({ finishedAt }) => finishedAt !== undefined,
  );
  expect(done.state).toBe("erased");
});

async function jobOf(key: string): Promise<{ state: string; deferrals: number } | undefined> {
  const [job] = await f.db.database.session((session) =>
    session.query<{ state: string; deferrals: number }>(
      "select state, deferrals from database.job_runs where key = $1",
      [key],
    ),
  );
  return job;
}

test("a name that a column of numbers holds is found however a number is written, and its neighbours stay", async () => {
  await publish("meters", `logicalType: number${mark}`);
  const lines = ["862900", "862900.0", "862901", "-862903"].map(
    (customer, wait) => `${customer},2026-01-01T10:00:00Z,${wait}`,
  );
  const theirs = await delivered(
    "meters",
    ["csv", `customer,at,wait\n${lines.join("\n")}\n862900.00,never,1\n`],
    [
      "parquet",
      await parquet("select 862902::double as customer, timestamptz '2026-01-01 10:00:00Z' as at, 3 as wait"),
    ],
  );
  expect(theirs.ingestion).toMatchObject({ counts: { accepted: 5, quarantined: 1 } });
  const { state, report } = await erased("862900");
  expect([state, report?.remains]).toEqual(["erased", []]);
  expect(report?.erased).toEqual({ "dataset snapshots": 2, quarantine: 1, "stored sources": 1 });
  expect(await there(theirs.objects)).toEqual([false, true]);
});
