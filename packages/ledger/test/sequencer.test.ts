import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Transaction } from "@portolan/kernel";
import { judgeCheckpoint, ledgerMigrations, startSequencer } from "@portolan/ledger";
import { rootOfLeaves, toHex } from "@portolan/merkle";
import { aCall, openTestDatabase, type TestDatabase, testOrganisation } from "@portolan/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { temporaryFolder, testKeyRing } from "./ledger-fixture.ts";

let db: TestDatabase;
beforeAll(async () => {
  db = await openTestDatabase({ migrations: [ledgerMigrations] });
});
afterAll(() => db.close());

const write = (subject: string): Promise<string> =>
  db.uow.write(aCall(), (tx: Transaction) => tx.record({ event: "test.thing.made", subject }));

test("rows get dense positions, and a signed checkpoint covers them", async () => {
  await using home = await temporaryFolder();
  const keys = testKeyRing(db.clock);
  const deps = { sql: db.sql, clock: db.clock, keys, folder: home.path, lingerMs: 1 };
  const sequencer = await startSequencer(deps);
  for (let i = 0; i < 3; i++) await write(`first ${i}`);
  await sequencer.settled();
  await Promise.all(Array.from({ length: 300 }, (_, i) => write(`second ${i}`)));
  await sequencer.settled();
  await sequencer.stop();
  const note = await readFile(join(home.path, testOrganisation, "checkpoint"), "utf8");
  const verdict = judgeCheckpoint(note, testOrganisation, keys.all);
  expect(verdict).toMatchObject({ kind: "good", checkpoint: { size: 303 } });
  const { rows } = await db.database.session(async (session) => ({
    rows: await session.query<{ position: number; leaf_hash: Uint8Array }>(
      "select position, leaf_hash from ledger.rows order by position",
    ),
  }));
  expect(rows.map((row) => row.position)).toEqual(Array.from({ length: 303 }, (_, i) => i));
  const root = rootOfLeaves(rows.map((row) => row.leaf_hash));
  expect(verdict.kind === "good" && toHex(verdict.checkpoint.root)).toBe(toHex(root));
});
