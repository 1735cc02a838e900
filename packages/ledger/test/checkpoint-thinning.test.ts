import {
  exportLedger,
  type LedgerDeps,
  proveConsistency,
  readCheckpoint,
  startSequencer,
  verifyLedger,
} from "@portolan/ledger";
import { judgeCheckpoint, verifyExport } from "@portolan/ledger/policy";
import { hashFromHex, verifyConsistency } from "@portolan/merkle";
import { aCall, fakeClock, openTestDatabase, testAuthorizer, testOrganisation } from "@portolan/testkit";
import { expect, test } from "vitest";
import { temporaryFolder, testKeyRing } from "./ledger-fixture.ts";

const minute = 60_000_000;
const hour = 60 * minute;
const day = 24 * hour;

test("old checkpoints are thinned out, and all that stood on them still stands (spec L15)", async () => {
  const clock = fakeClock("2026-03-02T09:00:00Z");
  await using db = await openTestDatabase({ clock });
  await using home = await temporaryFolder();
  const keys = testKeyRing(clock);
  const authorizer = testAuthorizer({ auditor: ["*"] });
  const deps: LedgerDeps = { uow: db.uow, authorizer, keys, clock, folder: home.path };
  const auditor = aCall({ roles: ["auditor"] });
  const start = () =>
    startSequencer({ sql: db.sql, clock, keys, folder: home.path, lingerMs: 1, pollMs: 600_000 });
  const notes: string[] = [];
  let sequencer = await start();
  const signed = async (): Promise<void> => {
    await db.uow.write(aCall(), (tx) => tx.record({ event: "test.thing.made", subject: "x" }));
    await sequencer.settled();
    notes.push(await readCheckpoint(deps, auditor));
  };
  const kept = async (): Promise<number[]> => {
    const rows = await db.database.session((session) =>
      session.query<{ size: number }>("select size from ledger.checkpoints order by size"),
    );
    return rows.map((row) => row.size);
  };
  const restarted = async (): Promise<void> => {
    await sequencer.stop();
    sequencer = await start();
    await sequencer.settled();
  };

  // 09:00, 09:20, 09:40 by the first key; 10:00 to 10:40 by the second; one on the next day.
  for (let i = 0; i < 6; i++) {
    if (i === 2) keys.rotate();
    await signed();
    clock.advance(20 * minute);
  }
  expect(await kept()).toEqual([1, 2, 3, 4, 5, 6]);
  clock.advance(day - 2 * hour + 30 * minute);
  await signed();
  await restarted();
  // 09:30 on the second day: nothing is a whole hour older than a day yet but 08:00 to 09:00.
  expect(await kept()).toEqual([1, 2, 3, 4, 5, 6, 7]);
  clock.advance(2 * hour);
  await restarted();
  // Of 09:00 to 10:00 the last of either key stays, of 10:00 to 11:00 the last one.
  expect(await kept()).toEqual([2, 3, 6, 7]);
  clock.advance(40 * day);
  await signed();
  await restarted();
  expect(await kept()).toEqual([2, 6, 7, 8]);

  expect(await verifyLedger(deps, auditor)).toMatchObject({ verified: true, provedRows: 8, checkpoints: 4 });
  expect((await verifyLedger(deps, auditor, { known: notes })).checkpoints).toBe(8);
  const lines: string[] = [];
  for await (const line of exportLedger(deps, auditor)) lines.push(line);
  expect(await verifyExport(lines, { known: notes })).toMatchObject({ verified: true, checkpoints: 8 });
  // Consistency is proved from the tiles, between sizes whose checkpoints are gone as well.
  const [first, , , fourth] = notes.map((note) => judgeCheckpoint(note, testOrganisation, keys.all));
  if (first?.kind !== "good" || fourth?.kind !== "good") throw new Error("the notes are good");
  const { proof } = await proveConsistency(deps, auditor, 1, 4);
  const hashes = proof.map((hash) => hashFromHex(hash) ?? new Uint8Array());
  const claim = {
    olderSize: 1,
    olderRoot: first.checkpoint.root,
    newerSize: 4,
    newerRoot: fourth.checkpoint.root,
    proof: hashes,
  };
  expect(verifyConsistency(claim)).toBe(true);
  await sequencer.stop();
});
