import { cp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { asEpochMicros, type Id, type LedgerEvent } from "@portolan/kernel";
import {
  createDenialTally,
  recordBatchDigest,
  recordDenial,
  type Sequencer,
  type SequencerDeps,
  type SequencerStep,
  sequencerSteps,
  startSequencer,
  verifyLedger,
} from "@portolan/ledger";
import { aCall, fakeClock, openTestDatabase, type TestDatabase, testAuthorizer } from "@portolan/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { temporaryFolder, testKeyRing } from "./ledger-fixture.ts";

let db: TestDatabase;
let home: Awaited<ReturnType<typeof temporaryFolder>>;
const clock = fakeClock();
const keys = testKeyRing(clock);
let organisations = 0;

beforeAll(async () => {
  db = await openTestDatabase({ clock });
  home = await temporaryFolder();
});
afterAll(async () => {
  await db.close();
  await home[Symbol.asyncDispose]();
});

/** A log of its own, in a folder of its own: sequencers recover every log they find. */
function freshLog() {
  organisations += 1;
  const organisationId = `org_${String(organisations).padStart(26, "0")}` as Id<"organisation">;
  const folder = join(home.path, String(organisations));
  const call = aCall({ organisationId, roles: ["auditor"] });
  const deps: SequencerDeps = { sql: db.sql, clock, keys, folder, lingerMs: 1, pollMs: 20 };
  const write = (event: Partial<LedgerEvent> = {}): Promise<string> => {
    clock.advance(1000);
    return db.uow.write(call, (tx) => tx.record({ event: "test.thing.made", subject: "thing", ...event }));
  };
  const authorizer = testAuthorizer({ auditor: ["*"] });
  const verify = () => verifyLedger({ uow: db.uow, authorizer, keys, clock, folder }, call);
  return { organisationId, folder, call, deps, write, verify };
}

/** Every test leaves its log sound, but in another folder: the next one must not look for its files. */
async function forget(organisationId: string): Promise<void> {
  await db.database.session(async (session) => {
    for (const table of ["rows", "streams", "checkpoints", "denial_tallies"]) {
      await session.query(`delete from ledger.${table} where organisation_id = $1`, [organisationId]);
    }
  });
}

async function startFailing(deps: SequencerDeps, failAt: SequencerStep): Promise<Sequencer> {
  let failed = false;
  const observe = (step: SequencerStep): void => {
    if (step !== failAt || failed) return;
    failed = true;
    throw new Error(`fault injected after ${step}`);
  };
  return startSequencer({ ...deps, observe });
}

test.each(sequencerSteps)(
  "a pass that fails after %s is finished by the next one (spec L9)",
  async (step) => {
    const log = freshLog();
    const sequencer = await startFailing(log.deps, step);
    for (let i = 0; i < 5; i++) await log.write();
    await sequencer.settled().catch(() => undefined);
    for (let i = 0; i < 3; i++) await log.write();
    await sequencer.settled();
    await sequencer.stop();
    expect(await log.verify()).toMatchObject({ verified: true, provedRows: 8 });
    await forget(log.organisationId);
  },
);

test("when the database forgets commits after a power loss, the published history is replayed, not forked", async () => {
  const log = freshLog();
  const first = await startSequencer(log.deps);
  for (let i = 0; i < 300; i++) await log.write();
  await first.settled();
  await first.stop();
  const published = await readFile(join(log.folder, log.organisationId, "checkpoint"), "utf8");
  // What a server that did not fsync would have lost: positions, size and checkpoint, but not the older rows.
  await db.database.session(async (session) => {
    await session.query("update ledger.rows set position = null where organisation_id = $1", [
      log.organisationId,
    ]);
    await session.query("delete from ledger.streams where organisation_id = $1", [log.organisationId]);
    await session.query("delete from ledger.checkpoints where organisation_id = $1", [log.organisationId]);
  });
  const second = await startSequencer(log.deps);
  expect(second.recovered).toMatchObject([{ size: 300, replayed: 300 }]);
  await log.write();
  await second.settled();
  await second.stop();
  const report = await log.verify();
  expect(report).toMatchObject({ verified: true, provedRows: 301, findings: [] });
  expect(published).toContain("\n300\n");
  await forget(log.organisationId);
});

test("files of a batch that never became history are overwritten (torn and partial tiles beyond the state)", async () => {
  const log = freshLog();
  const sequencer = await startSequencer(log.deps);
  for (let i = 0; i < 3; i++) await log.write();
  await sequencer.settled();
  await sequencer.stop();
  const tiles = join(log.folder, log.organisationId, "tile");
  await writeFile(join(tiles, "0/000.p/5"), Buffer.alloc(100, 7));
  await writeFile(join(tiles, "entries/000.p/5"), Buffer.alloc(33, 7));
  await writeFile(join(tiles, "entries/000.p/4.tmp"), Buffer.alloc(3));
  await log.write();
  await log.write();
  const again = await startSequencer(log.deps);
  await again.settled();
  await again.stop();
  expect(await log.verify()).toMatchObject({ verified: true, provedRows: 5 });
  expect(await readdir(join(tiles, "0/000.p"))).toEqual(["5"]);
  await forget(log.organisationId);
});

test("older tile files, a lost row and a changed row stop the start loudly", async () => {
  const log = freshLog();
  const sequencer = await startSequencer(log.deps);
  await log.write();
  await sequencer.settled();
  await cp(log.folder, `${log.folder}-old`, { recursive: true });
  await log.write();
  await sequencer.settled();
  await sequencer.stop();
  const older = { ...log.deps, folder: `${log.folder}-old` };
  await expect(startSequencer(older)).rejects.toMatchObject({ code: "ledger.forked" });
  await db.database.session((session) =>
    session.query("update ledger.streams set size = 1, root = $1 where organisation_id = $2", [
      Buffer.alloc(32),
      log.organisationId,
    ]),
  );
  await expect(startSequencer(log.deps)).rejects.toMatchObject({ code: "ledger.forked" });
  await forget(log.organisationId);
  await expect(startSequencer(log.deps)).rejects.toMatchObject({ code: "ledger.forked" });
  await rm(log.folder, { recursive: true });
  await (await startSequencer(log.deps)).stop();
});

test("a second sequencer fences the first, which stops and signs nothing more", async () => {
  const log = freshLog();
  const failures: string[] = [];
  const first = await startSequencer({ ...log.deps, onFailure: (error) => failures.push(error.code) });
  const second = await startSequencer(log.deps);
  await log.write();
  await second.settled();
  await log.write();
  await expect(first.settled()).rejects.toMatchObject({ code: "ledger.fenced" });
  await second.settled();
  expect(failures).toEqual(["ledger.fenced"]);
  await second.stop();
  await first.stop();
  expect(await log.verify()).toMatchObject({ verified: true, provedRows: 2 });
  await forget(log.organisationId);
});

test("a retroactively revoked key does not stop the ledger: the next start signs with a new one", async () => {
  const log = freshLog();
  const sequencer = await startSequencer(log.deps);
  await log.write();
  await sequencer.settled();
  await sequencer.stop();
  const [used] = keys.all.slice(-1);
  if (used === undefined) throw new Error("a key was used");
  clock.advance(1000);
  keys.rotate();
  keys.revoke(used.id, used.validFrom);
  await (await startSequencer(log.deps)).stop();
  expect(await log.verify()).toMatchObject({ verified: true, provedRows: 1 });
  keys.revoke(used.id, asEpochMicros(clock.now() + 1e12));
  await forget(log.organisationId);
});

test("a batch digest delivered twice is one row; a denial has its own; anonymous ones share one per minute", async () => {
  const log = freshLog();
  const tx = { sql: db.sql, call: log.call, now: clock.now() };
  const batch = {
    event: "test.batch.kept",
    subject: "writer 1",
    digest: "sha256:0",
    count: 9,
    key: "w1/1/1",
  };
  expect(await recordBatchDigest(tx, batch)).toBe(await recordBatchDigest(tx, batch));
  await recordDenial(tx, { action: "registry:promote", subject: "mv_1", reason: "identity.forbidden" });
  const tally = createDenialTally({ sql: db.sql, clock });
  const denial = { organisationId: log.organisationId, source: "192.0.2.1", reason: "identity.no_token" };
  await Promise.all(Array.from({ length: 500 }, () => tally.add(denial)));
  await tally.add({ ...denial, source: "192.0.2.2" });
  clock.advance(61_000_000);
  const sequencer = await startSequencer(log.deps);
  await sequencer.settled();
  await sequencer.stop();
  const rows = await db.database.session((session) =>
    session.query<{ class: string; subject: string; payload: Uint8Array }>(
      `select class, subject, payload from ledger.rows where organisation_id = '${log.organisationId}' order by subject`,
    ),
  );
  expect(rows.map((row) => `${row.class} ${row.subject}`)).toEqual([
    "denied 192.0.2.1",
    "denied 192.0.2.2",
    "denied mv_1",
    "recorded writer 1",
  ]);
  expect(Buffer.from(rows[0]?.payload ?? []).toString()).toContain('"denials":500');
  expect(await log.verify()).toMatchObject({ verified: true, provedRows: 4 });
  await forget(log.organisationId);
});

test("a row above the size limit is refused", async () => {
  const log = freshLog();
  await expect(log.write({ detail: { text: "x".repeat(40_000) } })).rejects.toMatchObject({
    code: "ledger.row_too_large",
  });
});
