import {
  type DataDeps,
  dataPlaces,
  type EraseJobDeps,
  eraseJob,
  eventPlace,
  orderErasure,
  placeDataHold,
  readErasure,
  receiveEvents,
  releaseDataHold,
} from "@portolan/data";
import { asEpochMicros, type Digest, type JobRun, type JsonForm, type Transaction } from "@portolan/kernel";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "../../data/test/data-fixture.ts";
import { createByteRemoval } from "../../registry/src/index.ts";
import type { FeatureValue } from "../src/feature-value.ts";
import { type FeatureDeps, featurePlaces, onlinePlace, onlineSearch } from "../src/index.ts";
import { onlineHeader } from "../src/online-header.ts";
import { findView } from "../src/store.ts";
import { type AccountsFixture, accountsFixture, minute } from "./accounts-fixture.ts";
import { readOnline } from "./features-fixture.ts";

let f: AccountsFixture;
let deps: EraseJobDeps;

const placesOf = (all: DataDeps & FeatureDeps): EraseJobDeps => ({
  uow: all.uow,
  objects: all.objects,
  engine: all.engine,
  workFolder: all.workFolder,
  bytes: createByteRemoval({ work: all.uow, objects: all.objects, otherHolders: [] }),
  rowPlaces: [...featurePlaces, ...dataPlaces],
  directPlaces: [eventPlace(all), onlinePlace(all)],
  models: { trainedOn: () => Promise.resolve([]) },
  searches: [onlineSearch(all)],
  names: [],
  inFlight: () => meanwhile(),
});
/** Jobs that are open when the order asks. */
let meanwhile: () => Promise<readonly string[]> = () => Promise.resolve([]);

const people = Array.from({ length: 7 }, (_, n) => `customer-${String(n + 1).padStart(2, "0")}`);
const marked =
  "{ name: account, logicalType: string, customProperties: [{ property: portolan.subject, value: true }] }";

beforeAll(async () => {
  f = await accountsFixture(
    (all) => [eraseJob(placesOf(all))],
    (document) => document.replace("{ name: account, logicalType: string }", marked),
  );
  deps = placesOf(f.deps);
  await f.changes(
    "changes.jsonl",
    ...people.map((account, n) => ({ account, at: n, cents: 100 + n, rating: 1 })),
    ...people.map((account, n) => ({ account, at: 20 + n, cents: 200 + n, rating: 2 })),
  );
  await f.payments("payments.jsonl", ...people.map((account, n) => ({ account, at: 40 + n })));
  await f.materialized(60);
  // One row of each is kept out, and one line is no row.
  const rows = people.map(
    (account) => `{"account":"${account}","at":"2026-01-01T02:00:00Z","amount":"much"}`,
  );
  const lines = people.map((account) => `{"account": ${account} broken`);
  await f.ingest(
    "bad.jsonl",
    `${[...rows, ...lines, '{"account":"x","at":"2026-01-01T02:00:00Z","amount":1}'].join("\n")}\n`,
    {
      contract: "payments",
    },
  );
  const set = await f.trainingSet({
    name: "payments",
    environment: "dev",
    contract: "payments",
    from: minute(0),
    to: minute(100),
    sampleEvery: 1,
    views: [{ view: "accounts", entity: { account: "account" } }],
    request: [{ name: "paid", expression: "amount" }],
    label: { name: "much", expression: "amount > 0" },
  });
  if (set.state !== "ready") throw new Error(JSON.stringify(set));
  const body = people
    .map((account) => JSON.stringify({ account, at: "2026-01-01T03:00:00Z", amount: 3 }))
    .join("\n");
  await receiveEvents({ ...f.deps, eventWindowMs: 3_600_000 }, f.call, "payments", {
    environment: "dev",
    body,
  });
});
afterAll(() => f.close());

async function ordered(subject: string, more: { dryRun?: boolean } = {}) {
  const { id } = await orderErasure(f.deps, f.call, {
    subject,
    reason: "asked for",
    environments: ["dev"],
    ...more,
  });
  return waitFor(
    () => readErasure(f.deps, f.call, id),
    ({ finishedAt }) => finishedAt !== undefined,
  );
}

async function onlineBalance(account: string): Promise<FeatureValue | undefined> {
  const view = await f.deps.uow.read(f.call, (sql) => findView(sql, f.call.actor.organisationId, "accounts"));
  if (!view) throw new Error("no view");
  const header = onlineHeader({
    organisationId: f.call.actor.organisationId,
    environment: "dev",
    view: view.body,
  });
  return (await readOnline(f, header, [account], asEpochMicros(minute(60)))).values["balance"]?.value;
}

/** Every digest that something of the organisation names, and whether its bytes are there. */
async function heldBytes(): Promise<string[]> {
  const held = await f.deps.uow.read(f.call, (sql) =>
    deps.bytes.held(sql, f.call.actor.organisationId, ["dev"]),
  );
  return held.map(({ digest }) => digest);
}

describe("erasing what is known of a data subject", () => {
  const [first = "", second = "", third = ""] = people;

  test("a dry run says what would go, place by place, and changes nothing", async () => {
    const before = await heldBytes();
    const { state, report } = await ordered(first, { dryRun: true });
    expect(state).toBe("planned");
    expect(Object.groupBy(report?.found ?? [], ({ place }) => place)).toMatchObject({
      "dataset snapshots": [{ rows: 2 }, { rows: 1 }],
      quarantine: [{ rows: 1 }],
      "dead letters": [{ rows: 1 }],
      "feature logs": [{ rows: 2 }],
      "training sets": [{ rows: 1 }],
      "waiting events": [{ rows: 1 }],
      "online values": [{ rows: 1 }],
    });
    expect(await heldBytes()).toEqual(before);
    expect(await onlineBalance(first)).toBe(200);
  });

  test("a legal hold refuses all of it, and says what it covers", async () => {
    const hold = await placeDataHold(
      { ...f.deps },
      f.call,
      { environment: "dev", contract: "payments" },
      "a claim",
    );
    const { state, report } = await ordered(first);
    expect(state).toBe("refused");
    const held = report?.found.filter(({ heldBy }) => heldBy?.includes(hold.id)).map(({ place }) => place);
    expect(held).toEqual(
      expect.arrayContaining(["dataset snapshots", "quarantine", "training sets", "waiting events"]),
    );
    expect(report?.found.find(({ place }) => place === "feature logs")?.heldBy).toBeUndefined();
    expect(await onlineBalance(first)).toBe(200);
    await releaseDataHold({ ...f.deps }, f.call, hold.id, "settled");
  });

  test("reaches every place, leaves the others' rows, and finds the name nowhere afterwards", async () => {
    const before = await heldBytes();
    const { state, report } = await ordered(first);
    expect([state, report?.remains]).toEqual(["erased", []]);
    expect(report?.erased).toEqual({
      "dataset snapshots": 3,
      quarantine: 1,
      "dead letters": 1,
      "feature logs": 2,
      "training sets": 1,
      "waiting events": 1,
      "online values": 1,
    });
    expect(await onlineBalance(first)).toBeNull();
    expect(await onlineBalance(second)).toBe(201);
    const after = await heldBytes();
    for (const digest of after)
      expect([digest, await f.deps.objects.has(digest as Digest)]).toEqual([digest, true]);
    const gone = before.filter((digest) => !after.includes(digest));
    expect(gone.length).toBeGreaterThan(4);
    for (const digest of gone)
      expect([digest, await f.deps.objects.has(digest as Digest)]).toEqual([digest, false]);
  });

  test("leaves tombstones in the ledger that name the old bytes and the new ones, and never the subject", async () => {
    const rows = await f.ledger();
    expect(rows.filter(({ event }) => event === "data.rows.erased").length).toBeGreaterThan(5);
    expect(rows.some(({ event }) => event === "data.erasure.completed")).toBe(true);
    expect(rows.filter(({ row }) => row.includes(first))).toEqual([]);
  });

  test("datasets that were written anew are not taken in by the logs once more, which stay chains", async () => {
    await f.changes("later.jsonl", { account: second, at: 50, cents: 999 });
    await f.materialized(61);
    expect(await onlineBalance(second)).toBe(999);
    expect(await onlineBalance(first)).toBeNull();
    const segments = await f.db.database.session((session) =>
      session.query<{ digest: string; previous: string | null }>(
        "select digest, previous from features.log_segments order by log_id, number",
        [],
      ),
    );
    for (const [index, { previous }] of segments.entries())
      expect(previous).toBe(segments[index - 1]?.digest ?? null);
  });

  test("a subject that nobody knows is erased at once, and one that stands elsewhere is reported", async () => {
    expect((await ordered("nobody-at-all")).report).toMatchObject({ found: [], remains: [] });
    const note = await f.deps.objects.put(new TextEncoder().encode(`a note about ${third}.`));
    await f.deps.uow.write(f.call, (tx) =>
      f.deps.artifacts.note(tx, { environment: "dev" }, [{ digest: note, kind: "training_log" }]),
    );
    const { state, report } = await ordered(third);
    expect(state).toBe("incomplete");
    expect(report?.remains).toEqual([{ where: "stored objects", what: `training_log ${note}`, hits: 1 }]);
  });
});

/** A job that ends at its n-th step, before or after the step's effect is on the record, as `kill -9` would end it. */
class Killed extends Error {}

function killedAt(run: Omit<JobRun, "step" | "effect">, steps: Map<string, unknown>, at: number): JobRun {
  let count = 0;
  const tick = (): void => {
    count += 1;
    if (count === at) throw new Killed();
  };
  return {
    ...run,
    step: async <T>(name: string, work: (tx: Transaction) => Promise<T & JsonForm<T>>) => {
      if (steps.has(name)) return steps.get(name) as T;
      tick();
      const result = await f.deps.uow.write(f.call, work);
      steps.set(name, result);
      tick();
      return result;
    },
    effect: async <T>(name: string, work: (key: string) => Promise<T & JsonForm<T>>) => {
      if (steps.has(name)) return steps.get(name) as T;
      const result = await work(name);
      tick();
      steps.set(name, result);
      return result;
    },
  };
}

/** An order of which the queue never hears: a job of the test's own does it. */
async function unqueued(id: string, subject: string): Promise<Omit<JobRun, "step" | "effect">> {
  await f.db.database.session((session) =>
    session.query(
      `insert into data.erasures (id, organisation_id, environments, subject, columns, dry_run, reason, state, ordered_by, ordered_at)
       values ($1, $2, '["dev"]', $3, '[]', false, 'asked', 'waiting', 'usr', 1)`,
      [id, f.call.actor.organisationId, subject],
    ),
  );
  return {
    id: `job_${id}`,
    payload: { erasureId: id },
    call: f.call,
    signal: new AbortController().signal,
    finalAttempt: false,
    progress: () => Promise.resolve(),
    log: () => Promise.resolve(),
  };
}

async function expectAllHeldThere(): Promise<void> {
  const there = await Promise.all((await heldBytes()).map((digest) => f.deps.objects.has(digest as Digest)));
  expect(there.every(Boolean)).toBe(true);
}

test("killed at any step, it goes on and ends as it would have", async () => {
  const reports: unknown[] = [];
  const subjects = people.slice(3, 6);
  for (const [index, subject] of subjects.entries()) {
    const id = `ers_test_${index}`;
    const run = await unqueued(id, subject);
    const steps = new Map<string, unknown>();
    const job = eraseJob(deps);
    // The last one is never killed: what the others are compared with.
    const at = index === subjects.length - 1 ? 1_000_000 : index === 0 ? 6 : 17;
    await job.run(killedAt(run, steps, at)).catch((error: unknown) => {
      expect(String(error)).toMatch(/Error/);
    });
    await job.run(killedAt(run, steps, 1_000_000));
    const [row] = await f.db.database.session((session) =>
      session.query<{ state: string; subject: string | null; report: { erased: object; remains: object[] } }>(
        "select state, subject, report from data.erasures where id = $1",
        [id],
      ),
    );
    reports.push({
      state: row?.state,
      subject: row?.subject,
      erased: row?.report.erased,
      remains: row?.report.remains,
    });
    expect(await onlineBalance(subject)).toBeNull();
  }
  for (const report of reports) expect(report).toEqual(reports.at(-1));
  await expectAllHeldThere();
}, 240_000);

test("bytes that another organisation has removed after they were rewritten are written anew", async () => {
  const run = await unqueued("ers_test_gone", people[6] ?? "");
  const steps = new Map<string, unknown>();
  const job = eraseJob(deps);
  const whole = killedAt(run, steps, 1_000_000);
  let written: Digest | undefined;
  const killed: JobRun = {
    ...whole,
    effect: async <T>(name: string, work: (key: string) => Promise<T & JsonForm<T>>) => {
      const result = await whole.effect<T>(name, work);
      if (!name.startsWith("rewrite")) return result;
      written = (result as { digest: Digest }).digest;
      throw new Killed();
    },
  };
  await expect(job.run(killed)).rejects.toThrow();
  // They held equal bytes until now, and nothing of ours names these yet.
  const actor = { ...f.call.actor, organisationId: "org_other" as typeof f.call.actor.organisationId };
  const theirs = { ...f.call, actor };
  expect(await deps.bytes.discard(theirs, written as Digest)).toBe("removed");
  expect(await job.run(whole)).toMatchObject({ state: "erased" });
  expect(
    [...steps.keys()].filter((name) => name.startsWith("rewrite") && name.endsWith("again 1")),
  ).toHaveLength(1);
  await expectAllHeldThere();
});

test("a name that stands in the online store where no column says whose it is, is found by the search", async () => {
  const subject = "customer-88";
  const view = await f.deps.uow.read(f.call, (sql) => findView(sql, f.call.actor.organisationId, "accounts"));
  if (!view) throw new Error("no view");
  const { organisationId } = f.call.actor;
  const header = onlineHeader({ organisationId, environment: "dev", view: view.body });
  const key = [`heir of ${subject}`];
  await f.deps.online.update(header, asEpochMicros(minute(60)), [{ key, values: [1, 1, 0] }]);
  const { state, report } = await ordered(subject);
  expect([state, report?.remains]).toEqual([
    "incomplete",
    [{ where: "the online store", what: "accounts@1 in dev", hits: 1 }],
  ]);
  expect(report?.searched.find(({ where }) => where === "the online store")?.looked).toBeGreaterThan(1);
  await f.deps.online.forgetEntities(header, { part: 0, parts: 1, value: `heir of ${subject}` });
});

test("what began before the rows went and put them online afterwards has come to its end, and is looked at again", async () => {
  const subject = "customer-who-came-back";
  await f.changes("back.jsonl", { account: subject, at: 55, cents: 500 });
  await f.materialized(62);
  expect(await onlineBalance(subject)).toBe(500);
  const { organisationId } = f.call.actor;
  const view = await f.deps.uow.read(f.call, (sql) => findView(sql, organisationId, "accounts"));
  if (!view) throw new Error("no view");
  const header = onlineHeader({ organisationId, environment: "dev", view: view.body });
  let asked = 0;
  meanwhile = async () => {
    asked += 1;
    // The order waits for what there is; then a job begins, is seen twice, and ends.
    if (asked === 1 || asked > 4) return [];
    if (asked < 4) return ["job_of_old_rows"];
    await f.deps.online.update(header, asEpochMicros(minute(62)), [{ key: [subject], values: [500, 1, 0] }]);
    return [];
  };
  const { state, report } = await ordered(subject);
  meanwhile = () => Promise.resolve([]);
  expect([state, report?.remains, report?.erased["online values"]]).toEqual(["erased", [], 2]);
  expect(await onlineBalance(subject)).toBeNull();
});
