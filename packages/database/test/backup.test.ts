import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Secret, systemClock } from "@portolan/kernel";
import { ledgerMigrations } from "@portolan/ledger";
import { aCall, openTestDatabase, type TestDatabase, testOrganisation } from "@portolan/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type BackupManifest,
  backupDatabase,
  type Database,
  getJob,
  openDatabase,
  restoreDatabase,
} from "../src/index.ts";

let db: TestDatabase;
let folder: string;
let manifest: BackupManifest;
let openJob: string;
const passphrase = new Secret("correct horse");
const home = () => join(folder, "home");
const source = () => join(folder, "backup");

const tables = [
  "ledger.rows",
  "database.job_runs",
  "database.job_steps",
  "database.job_logs",
  "database.intents",
];
const contents = (database: Database, skip = "") =>
  database.session(async (session) => {
    const all: Record<string, unknown> = {};
    for (const table of tables) {
      all[table] = await session.query(
        `select (to_jsonb(t) ${skip})::text as row from ${table} t order by 1`,
      );
    }
    return all;
  });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-backup-"));
  db = await openTestDatabase();
  const call = aCall();
  openJob = await db.uow.write(call, async (tx) => {
    await tx.record({ event: "database.thing.made", subject: "x", detail: { text: 'a\nb\t"c" \\ é 𝄞' } });
    await tx.intend("publish", { n: 1, none: null });
    return tx.enqueue({ queue: "later", payload: { list: [1, null, "x"] }, key: "k" });
  });
  await db.database.session(async (session) => {
    await session.query("insert into database.job_steps values ($1, 'a', 'null'::jsonb, 1)", [openJob]);
    await session.query(
      "insert into database.job_logs (job_id, at, line) values ($1, 1, 'one'), ($1, 2, $2)",
      // Some take the last two for the end of a line.
      [openJob, "two \u2028 and \u2029"],
    );
  });
  await mkdir(join(home(), "objects", "ab", "cd"), { recursive: true });
  await mkdir(join(home(), "objects", "incoming"));
  await mkdir(join(home(), "keys"));
  await writeFile(join(home(), "objects", "ab", "cd", "abcd"), "bytes");
  await writeFile(join(home(), "objects", "incoming", "half"), "half");
  await writeFile(join(home(), "keys", "model.pem"), "PRIVATE");
  await writeFile(join(home(), "keys", "model.pub"), "PUBLIC");
  manifest = await backupDatabase({
    database: db.database,
    clock: systemClock,
    home: home(),
    target: source(),
    keysPassphrase: passphrase,
  });
});
afterAll(async () => {
  await db.close();
  await rm(folder, { recursive: true, force: true });
});

const restore = async (
  database: Database,
  name: string,
  over: Partial<Parameters<typeof restoreDatabase>[0]> = {},
) =>
  restoreDatabase({
    source: source(),
    database,
    home: join(folder, name),
    migrations: [ledgerMigrations],
    clock: systemClock,
    keysPassphrase: passphrase,
    ...over,
  });

test("a restore gives back every row, every file and the keys, and unfinished jobs go on", async () => {
  await using database = await openDatabase({ kind: "memory" });
  let verified = false;
  const report = await restore(database, "restored", {
    verify: () => {
      verified = true;
      return Promise.resolve();
    },
  });
  expect(verified).toBe(true);
  expect(report).toMatchObject({
    recoveryPoint: manifest.recoveryPoint,
    jobs: 1,
    rows: manifest.tables.reduce((sum, table) => sum + table.rows, 0),
  });
  // A resumed job has a new queue entry and a note; all else is the same to the byte.
  const skip = "- 'boss_id' - 'note'";
  expect(await contents(database, skip)).toEqual(await contents(db.database, skip));
  expect(await readFile(join(folder, "restored", "objects", "ab", "cd", "abcd"), "utf8")).toBe("bytes");
  expect(await readFile(join(folder, "restored", "keys", "model.pem"), "utf8")).toBe("PRIVATE");
  await expect(readFile(join(folder, "restored", "objects", "incoming", "half"))).rejects.toThrow();
  expect((await getJob(database.sql, testOrganisation, openJob))?.state).toBe("waiting");
  await database.session(async (session) => {
    await session.query("insert into database.job_logs (job_id, at, line) values ($1, 3, 'three')", [
      openJob,
    ]);
    const lines = await session.query<{ line: string }>(
      "select line from database.job_logs order by line_number",
    );
    expect(lines.map(({ line }) => line)).toEqual(["one", "two \u2028 and \u2029", "three"]);
  });

  await expect(restore(database, "restored")).rejects.toMatchObject({ code: "database.restore_not_empty" });
  await expect(restore(database, "elsewhere")).rejects.toMatchObject({ code: "database.restore_not_empty" });
});

test("private keys never lie in the clear, and a wrong passphrase is refused", async () => {
  for (const file of manifest.files)
    expect(await readFile(join(source(), file.path), "latin1")).not.toContain("PRIVATE");
  expect(manifest.files.map((file) => file.path)).toContain("home/keys/model.pub");
  await expect(restore(db.database, "wrong", { keysPassphrase: new Secret("guess") })).rejects.toMatchObject({
    code: "database.backup_damaged",
    detail: expect.stringContaining("passphrase"),
  });
});

test("a changed byte in the backup is named before anything is restored", async () => {
  const path = join(source(), "database", "ledger.rows.jsonl");
  const original = await readFile(path);
  const changed = Buffer.from(original);
  changed[10] = (changed[10] ?? 0) ^ 1;
  await writeFile(path, changed);
  try {
    await expect(restore(db.database, "damaged")).rejects.toMatchObject({
      code: "database.backup_damaged",
      detail: expect.stringContaining("ledger.rows"),
    });
  } finally {
    await writeFile(path, original);
  }
});

test("a backup never overwrites another", async () => {
  const again = backupDatabase({ database: db.database, clock: systemClock, home: home(), target: source() });
  await expect(again).rejects.toMatchObject({ code: "database.backup_exists" });
});
