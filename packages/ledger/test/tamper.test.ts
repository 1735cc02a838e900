import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { JsonObject } from "@portolan/kernel";
import {
  exportLedger,
  type LedgerDeps,
  proveRow,
  receiptFor,
  startSequencer,
  verifyLedger,
} from "@portolan/ledger";
import { judgeProof, judgeReceipt, verifyExport } from "@portolan/ledger/policy";
import {
  aCall,
  fakeClock,
  openTestDatabase,
  type TestDatabase,
  testAuthorizer,
  testOrganisation,
} from "@portolan/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestKeyRing, temporaryFolder, testKeyRing } from "./ledger-fixture.ts";

let db: TestDatabase;
let home: Awaited<ReturnType<typeof temporaryFolder>>;
let keys: TestKeyRing;
let deps: LedgerDeps;
const clock = fakeClock();
const auditor = aCall({ roles: ["auditor"] });
const rowCount = 300;

beforeAll(async () => {
  db = await openTestDatabase({ clock });
  home = await temporaryFolder();
  keys = testKeyRing(clock);
  const authorizer = testAuthorizer({ auditor: ["*"] });
  deps = { uow: db.uow, authorizer, keys, clock, folder: home.path };
  const sequencer = await startSequencer({ sql: db.sql, clock, keys, folder: home.path, lingerMs: 1 });
  for (let batch = 0; batch < 3; batch++) {
    for (let i = 0; i < rowCount / 3; i++) {
      clock.advance(1000);
      await db.uow.write(aCall({ id: "usr_a", purpose: "test" }), (tx) =>
        tx.record({ event: "test.thing.made", subject: `thing ${batch}/${i}`, detail: { i } }),
      );
    }
    await sequencer.settled();
    clock.advance(1000);
    if (batch === 0) keys.rotate();
  }
  await sequencer.stop();
});
afterAll(async () => {
  await db.close();
  await home[Symbol.asyncDispose]();
});

const query = <Row>(text: string): Promise<Row[]> =>
  db.database.session((session) => session.query<Row>(text));

/** Changes SQL, verifies, and undoes the change. The verdict's own rows come after the checkpoint and stay. */
async function verifyAfter(change: string): Promise<readonly string[]> {
  await query("create table ledger.saved as select * from ledger.rows where position is not null");
  try {
    await db.database.session((session) => session.script(change));
    const report = await verifyLedger(deps, auditor);
    expect(report.verified).toBe(report.findings.length === 0);
    return report.findings.map(({ kind, copy, index }) => `${kind} ${copy} ${index}`);
  } finally {
    await query("delete from ledger.rows where position is not null or id like 'led_x%'");
    await query("insert into ledger.rows select * from ledger.saved");
    await query("drop table ledger.saved");
  }
}

const idAt = async (position: number): Promise<string> => {
  const [row] = await query<{ id: string }>(`select id from ledger.rows where position = ${position}`);
  return row?.id ?? "";
};

const exported = async (): Promise<string[]> => {
  const lines: string[] = [];
  for await (const line of exportLedger(deps, auditor)) lines.push(line);
  return lines;
};

describe("online verification (spec L13)", () => {
  test("an untouched log verifies, over a key rotation", async () => {
    const report = await verifyLedger(deps, auditor);
    expect(report).toMatchObject({ verified: true, provedRows: rowCount, findings: [] });
    expect(report.keys).toHaveLength(2);
  });

  test.each([
    ["subject column", "update ledger.rows set subject = 'x' where position = 7", ["edited rows 7"]],
    ["actor column", "update ledger.rows set actor_id = 'usr_b' where position = 7", ["edited rows 7"]],
    ["class column", "update ledger.rows set class = 'recorded' where position = 7", ["edited rows 7"]],
    [
      "payload",
      "update ledger.rows set payload = payload || '\\x20'::bytea where position = 7",
      ["edited rows 7"],
    ],
    [
      "entry and leaf hash, consistently",
      "update ledger.rows set entry = e.entry, leaf_hash = e.leaf_hash, salt = e.salt, payload = e.payload from (select entry || '\\x20'::bytea as entry, sha256('\\x00'::bytea || entry || '\\x20'::bytea) as leaf_hash, salt, payload from ledger.rows where position = 8) e where position = 7",
      ["edited rows 7"],
    ],
    ["removal", "delete from ledger.rows where position = 7", ["removed rows 7"]],
    [
      "removal of the last",
      `delete from ledger.rows where position = ${rowCount - 1}`,
      [`removed rows ${rowCount - 1}`],
    ],
    [
      "insertion",
      "update ledger.rows set position = position + 1000 where position >= 7; update ledger.rows set position = position - 999 where position >= 1000; insert into ledger.rows select 'led_x', organisation_id, class, at, entry || '\\x20'::bytea, sha256('\\x00'::bytea || entry || '\\x20'::bytea), salt, payload, event, subject, actor_id, request_id, null, 7 from ledger.rows where position = 6",
      ["inserted rows 7", "renumbered rows 7"],
    ],
    [
      "reordering",
      "update ledger.rows set position = 9999 where position = 3; update ledger.rows set position = 3 where position = 4; update ledger.rows set position = 4 where position = 9999",
      ["reordered rows 3"],
    ],
  ])("a change to SQL is pinpointed: %s", async (_name, change, expected) => {
    const found = await verifyAfter(change);
    if (expected[0]?.startsWith("reordered"))
      expect(["reordered rows 3", "reordered rows 4"]).toContain(found[0]);
    else expect(found).toEqual(expected);
  });

  test("a changed tile and a changed entry bundle are pinpointed, and a torn one is named", async () => {
    const tile = join(home.path, testOrganisation, "tile/0/000");
    const before = await readFile(tile);
    const changed = Buffer.from(before);
    changed.writeUInt8(changed.readUInt8(32 * 9) ^ 1, 32 * 9);
    await writeFile(tile, changed);
    const report = await verifyLedger(deps, auditor);
    expect(report.findings).toMatchObject([{ kind: "edited", copy: "tiles", index: 9 }]);
    await writeFile(tile, before);
    const bundle = join(home.path, testOrganisation, "tile/entries/000");
    const entries = await readFile(bundle);
    await writeFile(bundle, entries.subarray(0, 1000));
    const torn = await verifyLedger(deps, auditor);
    expect(torn.findings[0]).toMatchObject({ kind: "malformed", copy: "bundles" });
    await writeFile(bundle, entries);
    expect((await verifyLedger(deps, auditor)).verified).toBe(true);
  });

  test("a key revoked before it signed does not count; revoked later it still does", async () => {
    const [first, second] = keys.all;
    if (first === undefined || second === undefined) throw new Error("the log has two keys");
    keys.revoke(second.id, clock.now());
    expect((await verifyLedger(deps, auditor)).verified).toBe(true);
    keys.revoke(second.id, second.validFrom);
    const report = await verifyLedger(deps, auditor);
    expect(report.findings.some((finding) => finding.kind === "checkpoint")).toBe(true);
    expect(report.provedRows).toBe(rowCount / 3);
    keys.revoke(second.id, clock.now());
  });
});

describe("offline verification of an export (spec L12, L13)", () => {
  test("an untouched export verifies with its own keys and with trusted ones", async () => {
    const lines = await exported();
    const own = await verifyExport(lines);
    expect(own).toMatchObject({ verified: true, provedRows: rowCount, keysFrom: "log" });
    expect(await verifyExport(lines, { trust: own.keys })).toMatchObject({
      verified: true,
      keysFrom: "caller",
    });
    const stranger = "x+00000000+AA==";
    expect((await verifyExport(lines, { trust: [stranger] })).verified).toBe(false);
  });

  test("each kind of change is pinpointed by index and id", async () => {
    const lines = await exported();
    const at = (index: number): number =>
      lines.findIndex((line) => line.includes(`"index":${index},`) && line.includes('"type":"row"'));
    const id = await idAt(12);
    const line = lines[at(12)] ?? "";
    const judge = async (changed: readonly string[]) => (await verifyExport(changed)).findings;
    const edit = line.replace("thing 0/12", "thing 0/13");
    expect(edit).not.toBe(line);
    expect(await judge(lines.with(at(12), edit))).toMatchObject([{ kind: "edited", index: 12, id }]);
    expect(await judge(lines.toSpliced(at(12), 1))).toMatchObject([{ kind: "removed", index: 12, id }]);
    expect(await judge(lines.toSpliced(at(40), 0, line))).toMatchObject([{ kind: "inserted", id }]);
    const swapped = lines.with(at(12), lines[at(13)] ?? "").with(at(13), line);
    expect((await judge(swapped))[0]).toMatchObject({ kind: "reordered" });
    expect(await judge(lines.slice(0, -1))).toMatchObject([{ kind: "malformed" }]);
  });

  test("rolled back behind a checkpoint that the verifier kept", async () => {
    const lines = await exported();
    const kept = lines.findLast((line) => line.includes('"type":"checkpoint"')) ?? "";
    const { note } = JSON.parse(kept) as { note: string };
    const cut = lines.filter((line) => line !== kept);
    expect((await verifyExport(cut)).provedRows).toBe((rowCount * 2) / 3);
    expect((await verifyExport(cut, { known: [note] })).verified).toBe(true);
    const shorter = cut.filter((line) => !line.includes(`"index":${rowCount - 1},`));
    const report = await verifyExport(shorter, { known: [note] });
    expect(report.findings).toMatchObject([{ kind: "removed", index: rowCount - 1 }]);
  });
});

describe("proofs and receipts for outsiders (spec L7, L11)", () => {
  test("a proof stands alone, and any change to it is refuted", async () => {
    const bundle = await proveRow(deps, auditor, await idAt(123));
    const verdict = judgeProof(JSON.parse(JSON.stringify(bundle)) as JsonObject);
    expect(verdict).toMatchObject({ kind: "proved", index: 123, payload: { purpose: "test" } });
    const text = JSON.stringify(bundle);
    for (const changed of [
      text.replace('"index":123', '"index":124'),
      text.replace("thing 1/23", "thing 1/24"),
    ]) {
      expect(changed).not.toBe(text);
      expect(judgeProof(JSON.parse(changed) as JsonObject).kind).toBe("refuted");
    }
    expect(judgeProof(bundle, []).kind).toBe("refuted");
  });

  test("a row whose content was erased is still proved, without content", async () => {
    const id = await idAt(200);
    await query(
      `update ledger.rows set salt = null, payload = null, event = null, subject = null, actor_id = null, request_id = null where id = '${id}'`,
    );
    const verdict = judgeProof(await proveRow(deps, auditor, id));
    expect(verdict).toMatchObject({ kind: "proved", index: 200, payload: undefined });
    expect((await verifyLedger(deps, auditor)).verified).toBe(true);
  });

  test("a row before its checkpoint has a receipt and no proof", async () => {
    const id = await db.uow.write(aCall(), (tx) => tx.record({ event: "test.thing.made", subject: "late" }));
    await expect(proveRow(deps, auditor, id)).rejects.toMatchObject({ code: "ledger.not_sequenced" });
    keys.rotate();
    const receipt = await receiptFor(deps, auditor, id);
    expect(judgeReceipt(receipt, keys.all)).toMatchObject({ kind: "good", rowId: id });
    expect(judgeReceipt(receipt.replace(id, await idAt(1)), keys.all).kind).toBe("bad");
  });
});

test("a log whose checkpoint file was rolled forward or whose files are gone does not start", async () => {
  const start = () => startSequencer({ sql: db.sql, clock, keys, folder: home.path, lingerMs: 1 });
  const state = join(home.path, testOrganisation, "state");
  const [name] = await import("node:fs/promises").then((fs) => fs.readdir(state));
  const bytes = await readFile(join(state, name ?? ""));
  await writeFile(join(state, name ?? ""), bytes.subarray(0, 20));
  await expect(start()).rejects.toMatchObject({ code: "ledger.tiles_damaged" });
  await rm(join(state, name ?? ""));
  await expect(start()).rejects.toMatchObject({ code: "ledger.forked" });
  await writeFile(join(state, name ?? ""), bytes);
  await (await start()).stop();
});
