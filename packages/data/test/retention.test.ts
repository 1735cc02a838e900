import { readFile } from "node:fs/promises";
import { startReconciler } from "@portolan/database";
import { createLogger, type Digest } from "@portolan/kernel";
import { aCall } from "@portolan/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { placeDataHold, publishContract, releaseDataHold } from "../src/index.ts";
import { applyRetentionNow, applyRetentionRound, discardHandler } from "../src/retention/apply-retention.ts";
import { endDataset } from "../src/retention/end-dataset.ts";
import { type DataFixture, dataFixture, flightsCsv, waitFor } from "./data-fixture.ts";

let f: DataFixture;
let first: Awaited<ReturnType<DataFixture["ingest"]>>;
let reconciler: Awaited<ReturnType<typeof startReconciler>>;
const day = 86_400_000_000;

const keep = (days: number) => (document: string) =>
  document.replace(
    /slaProperties:\n/,
    `slaProperties:\n  - { property: retention, value: ${days}, unit: d }\n`,
  );

beforeAll(async () => {
  f = await dataFixture();
  await f.publishFlights(keep(30));
  first = await f.ingest("a.csv", `${flightsCsv(150)}2001-01-02 10:00:00,x,1,BOS,DEN\n`);
  if (first.state !== "published") throw new Error(JSON.stringify(first));
  reconciler = await startReconciler({
    database: f.db.database,
    clock: f.db.clock,
    log: createLogger({ name: "test", level: "silent" }),
    handlers: [discardHandler(f.deps.bytes)],
  });
});
afterAll(async () => {
  await reconciler.stop();
  await f.close();
});

/** As of so many days later. */
const later = (days: number) => ({
  ...f.deps,
  clock: { now: () => (f.db.clock.now() + days * day) as ReturnType<typeof f.db.clock.now> },
});
const objectsOf = async () => {
  const [row] = await f.db.database.session((session) =>
    session.query<{ object: string; quarantine: string | null }>(
      "select d.object, i.quarantine from data.datasets d join data.ingestions i on i.id = d.ingestion_id where d.id = $1",
      [first.datasetId],
    ),
  );
  return row;
};

test("what its contract still keeps stays, and a dry run says what would go", async () => {
  expect(await applyRetentionNow(later(29), f.call, { dryRun: false })).toEqual([]);
  const found = await applyRetentionNow(later(31), f.call, { dryRun: true });
  expect(found.map(({ kind, id }) => [kind, id])).toEqual([
    ["dataset", first.datasetId],
    ["ingestion", first.id],
  ]);
  expect(await f.deps.objects.has((await objectsOf())?.object as Digest)).toBe(true);
});

test("a legal hold keeps it, and is named", async () => {
  const hold = await placeDataHold(f.deps, f.call, { environment: "dev", contract: "flights" }, "a claim");
  const found = await applyRetentionNow(later(31), f.call, { dryRun: false });
  expect(found.every(({ heldBy }) => heldBy.includes(hold.id))).toBe(true);
  expect(await applyRetentionRound(later(31), [f.call.actor.organisationId])).toBe(0);
  expect(await f.deps.objects.has((await objectsOf())?.object as Digest)).toBe(true);
  await releaseDataHold(f.deps, f.call, hold.id, "settled");
});

test("what is older goes with its quarantine, each with its row in the ledger, and younger data with equal bytes keeps them", async () => {
  const before = await objectsOf();
  const young = await f.ingest("b.csv", flightsCsv(40));
  await f.db.database.session((session) =>
    session.query("update data.datasets set batch_at = batch_at + $2 where id = $1", [
      young.datasetId,
      20 * day,
    ]),
  );
  await f.db.database.session((session) =>
    session.query("update data.ingestions set started_at = started_at + $2 where id = $1", [
      young.id,
      20 * day,
    ]),
  );
  expect(await applyRetentionRound(later(31), [f.call.actor.organisationId])).toBe(2);
  reconciler.wake();
  await waitFor(
    () => f.deps.objects.has(before?.object as Digest),
    (has) => !has,
  );
  await waitFor(
    () => f.deps.objects.has(before?.quarantine as Digest),
    (has) => !has,
  );
  const [kept] = await f.db.database.session((session) =>
    session.query<{ object: string; quarantine: string; dead_letters: string }>(
      "select d.object, i.quarantine, i.dead_letters from data.datasets d join data.ingestions i on i.id = d.ingestion_id where d.id = $1",
      [young.datasetId],
    ),
  );
  // The dead letters of both were the same empty file.
  for (const digest of [kept?.object, kept?.quarantine, kept?.dead_letters])
    expect([digest, await f.deps.objects.has(digest as Digest)]).toEqual([digest, true]);
  const events = (await f.ledger()).map(({ event, subject }) => `${event} ${subject}`);
  expect(events).toEqual(
    expect.arrayContaining([`data.dataset.expired ${first.datasetId}`, `data.ingestion.expired ${first.id}`]),
  );
  expect(await applyRetentionRound(later(31), [f.call.actor.organisationId])).toBe(0);
});

test("one snapshot is ended before its contract ends it, with the reason in the ledger; not under a hold, and not by whoever may not", async () => {
  const copy = await f.ingest("copy.csv", flightsCsv(60));
  const id = copy.datasetId ?? "";
  const [row] = await f.db.database.session((session) =>
    session.query<{ object: string }>("select object from data.datasets where id = $1", [id]),
  );
  const hold = await placeDataHold(f.deps, f.call, { environment: "dev", contract: "flights" }, "a claim");
  await expect(endDataset(f.deps, f.call, id, "a copy")).rejects.toMatchObject({ code: "data.under_hold" });
  await releaseDataHold(f.deps, f.call, hold.id, "settled");
  const stranger = aCall({ roles: ["nobody"] });
  await expect(endDataset(f.deps, stranger, id, "a copy")).rejects.toMatchObject({
    code: "identity.forbidden",
  });
  await expect(endDataset(f.deps, f.call, "ds_none", "a copy")).rejects.toMatchObject({
    code: "data.dataset_not_found",
  });
  expect(await endDataset(f.deps, f.call, id, "a copy")).toMatchObject({ id, contract: "flights" });
  reconciler.wake();
  await waitFor(
    () => f.deps.objects.has(row?.object as Digest),
    (has) => !has,
  );
  const ended = (await f.ledger()).find(
    ({ event, subject }) => event === "data.dataset.expired" && subject === id,
  );
  expect(ended?.row).toContain('"reason":"a copy"');
  await expect(endDataset(f.deps, f.call, id, "again")).rejects.toMatchObject({
    code: "data.dataset_not_found",
  });
});

test("a contract that states no retention keeps its data", async () => {
  const document = (
    await readFile(
      new URL("../../../examples/flight-delays/contracts/flights.odcs.yaml", import.meta.url),
      "utf8",
    )
  )
    .replace("id: flights", "id: kept")
    .replace("slaProperties:\n  - property: retention\n    value: 30\n    unit: y\n", "");
  const airports = await readFile(
    new URL("../../../examples/flight-delays/airports.csv", import.meta.url),
    "utf8",
  );
  await publishContract(f.deps, f.call, "kept", { document, references: { "airports.csv": airports } });
  const done = await f.ingest("c.csv", flightsCsv(30), { contract: "kept" });
  expect(done.state).toBe("published");
  const found = await applyRetentionNow(later(10_000), f.call, { dryRun: true });
  expect(found.filter(({ contract }) => contract === "kept")).toEqual([]);
});
