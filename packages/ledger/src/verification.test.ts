import { generateKeyPairSync, sign } from "node:crypto";
import { asEpochMicros, type EpochMicros, type SigningKey } from "@portolan/kernel";
import { CompactTree, composeNote, leafHash, toHex } from "@portolan/merkle";
import { expect, test } from "vitest";
import { checkpointText, ledgerVerifier, originOf } from "./checkpoints.ts";
import type { CopyLeaf } from "./findings.ts";
import type { LogCopy } from "./leaf-reader.ts";
import { judgeLog } from "./verification.ts";

const organisation = "org_00000000000000000000000000";
const pair = generateKeyPairSync("ed25519");
const key: SigningKey = {
  id: "sgk_1",
  purpose: "ledger",
  algorithm: "ed25519",
  publicKeyPem: pair.publicKey.export({ type: "spki", format: "pem" }).toString(),
  validFrom: asEpochMicros(0),
};

function note(size: number, root: Uint8Array): string {
  const verifier = ledgerVerifier(originOf(organisation), key);
  if (verifier === undefined) throw new Error("the key signs notes");
  const text = checkpointText(organisation, size, root, (1000 + size) as EpochMicros);
  return composeNote(text, [{ verifier, signature: sign(null, Buffer.from(text), pair.privateKey) }]);
}

function aLog(count: number, every: number) {
  const tree = new CompactTree();
  const notes: string[] = [];
  const leaves = Array.from({ length: count }, (_, index): CopyLeaf => {
    const hash = leafHash(Buffer.from(`entry ${index}`));
    tree.append(hash);
    if (tree.size % every === 0) notes.push(note(tree.size, tree.root()));
    return { hash: toHex(hash), id: `led_${index}`, index };
  });
  return { leaves, notes };
}

/** A copy that counts how often it is opened, and how many leaves were ever held at once. */
function counted(
  name: LogCopy["name"],
  leaves: readonly CopyLeaf[],
  seen: { opened: number; read: number },
): LogCopy {
  return {
    name,
    *open() {
      seen.opened += 1;
      for (let at = 0; at < leaves.length; at += 100) {
        seen.read += Math.min(100, leaves.length - at);
        yield leaves.slice(at, at + 100);
      }
    },
  };
}

test("all checkpoints are held against the log in one pass over each copy (spec L13)", async () => {
  const { leaves, notes } = aLog(5000, 5);
  const seen = { opened: 0, read: 0 };
  const copies = [counted("rows", leaves, seen), counted("tiles", leaves, seen)];
  const report = await judgeLog({ organisation, copies, checkpoints: notes, keys: [key] });
  expect(report).toMatchObject({ verified: true, provedRows: 5000, checkpoints: 1000, unsignedRows: 0 });
  expect(seen).toEqual({ opened: 2, read: 10_000 });
});

test("every single checkpoint counts: one that is not of this history is found among hundreds", async () => {
  const { leaves, notes } = aLog(1000, 5);
  const forged = note(500, leafHash(Buffer.from("another history")));
  const copies = [counted("rows", leaves, { opened: 0, read: 0 })];
  const report = await judgeLog({ organisation, copies, checkpoints: notes.with(99, forged), keys: [key] });
  expect(report.findings).toMatchObject([{ kind: "diverged", index: 495 }]);
});

test("when the first copy is the damaged one, the others prove the log and name the difference", async () => {
  const { leaves, notes } = aLog(3000, 50);
  const damaged = leaves.with(1234, { hash: "0".repeat(64), id: "led_1234", index: 1234 });
  const seen = { opened: 0, read: 0 };
  const copies = [
    counted("rows", damaged, seen),
    counted("tiles", leaves, seen),
    counted("bundles", leaves, seen),
  ];
  const report = await judgeLog({ organisation, copies, checkpoints: notes, keys: [key] });
  expect(report.findings).toMatchObject([{ kind: "edited", copy: "rows", index: 1234, id: "led_1234" }]);
});
