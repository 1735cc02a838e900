import { generateKeyPairSync, sign } from "node:crypto";
import { asEpochMicros, type SigningKey } from "@portolan/kernel";
import { Type } from "@portolan/typebox";
import { describe, expect, test } from "vitest";
import { buildSnapshot, type SnapshotContent } from "./build-snapshot.ts";
import {
  judgeSnapshotAge,
  partReader,
  readRoutesPart,
  type SnapshotExpectation,
  verifySnapshot,
} from "./verify-snapshot.ts";

const { publicKey, privateKey } = generateKeyPairSync("ed25519");
const key: SigningKey = {
  id: "sgk_1",
  purpose: "snapshot",
  algorithm: "ed25519",
  publicKeyPem: publicKey.export({ type: "spki", format: "pem" }).toString(),
  validFrom: asEpochMicros(100),
};
const content: SnapshotContent = {
  organisationId: "org_a",
  routes: [],
  grants: [{ environment: "dev", grants: { nobody: true } }],
  keys: [],
};
const signBytes = async (bytes: Uint8Array) => ({ keyId: key.id, signature: sign(null, bytes, privateKey) });
const publish = (version: number, over: Partial<SnapshotContent> = {}, at = 1000) =>
  buildSnapshot({ ...content, ...over }, version, at, signBytes);
const expected: SnapshotExpectation = { keys: [key], organisationId: "org_a" };

function verdict(signed: unknown, over: Partial<SnapshotExpectation> = {}): string {
  const found = verifySnapshot(signed, { ...expected, ...over });
  return found.kind === "refused" ? found.reason : found.kind;
}

describe("a snapshot", () => {
  test("is accepted once, recognised again, and never rolled back or forked", async () => {
    const first = await publish(1);
    const second = await publish(2);
    expect(verdict(first.signed)).toBe("accepted");
    expect(verdict(second.signed, { current: first.manifest })).toBe("accepted");
    expect(verdict(second.signed, { current: second.manifest })).toBe("current");
    expect(verdict(first.signed, { current: second.manifest })).toBe("rollback");
    const other = await publish(2, { grants: [] });
    expect(verdict(other.signed, { current: second.manifest })).toBe("fork");
  });

  test("is refused with any byte of its envelope changed", async () => {
    const { signed } = await publish(3);
    const payload = Buffer.from(signed.payload, "base64").toString().replace('"version":3', '"version":4');
    expect(verdict({ ...signed, payload: Buffer.from(payload).toString("base64") })).toBe("bad_signature");
    expect(verdict({ ...signed, signature: Buffer.alloc(64).toString("base64") })).toBe("bad_signature");
    expect(verdict({ ...signed, signature: "" })).toBe("bad_signature");
    expect(verdict({ ...signed, extra: 1 })).toBe("malformed");
    expect(verdict(null)).toBe("malformed");
  });

  test("is refused from a key that is unknown, revoked, of another purpose, or not yet valid", async () => {
    const { signed } = await publish(3);
    expect(verdict(signed, { keys: [] })).toBe("unknown_key");
    expect(verdict(signed, { keys: [{ ...key, revokedAt: asEpochMicros(5000) }] })).toBe("unknown_key");
    expect(verdict(signed, { keys: [{ ...key, purpose: "charter" }] })).toBe("unknown_key");
    expect(verdict(signed, { keys: [{ ...key, validFrom: asEpochMicros(2000) }] })).toBe("unknown_key");
  });

  test("is refused for another organisation", async () => {
    const { signed } = await publish(3, { organisationId: "org_b" });
    expect(verdict(signed)).toBe("wrong_organisation");
  });

  test("names its parts by content: equal content, equal digests; changed bytes are refused", async () => {
    const one = await publish(1);
    const two = await publish(2);
    expect(two.manifest.parts).toEqual(one.manifest.parts);
    const routes = one.manifest.parts.find((part) => part.kind === "routes");
    if (!routes) throw new Error("no routes part");
    const bytes = one.built.bytes.get(routes.digest) ?? new Uint8Array();
    expect(readRoutesPart(bytes, routes).kind).toBe("part");
    expect(readRoutesPart(Buffer.concat([bytes, Buffer.from(" ")]), routes).kind).toBe("bad");
  });

  test("says of a part that does not fit its schema where it does not", async () => {
    const { manifest, built } = await publish(1, {
      keys: [{ ...key, purpose: "snapshot", validFrom: asEpochMicros(0), id: "" }],
    });
    const part = manifest.parts.find(({ kind }) => kind === "keys");
    if (!part) throw new Error("no keys part");
    const read = partReader(
      Type.Object({ keys: Type.Array(Type.Object({ id: Type.String({ minLength: 1 }) })) }),
    );
    expect(read(built.bytes.get(part.digest) ?? new Uint8Array(), part)).toMatchObject({
      kind: "bad",
      detail: expect.stringContaining("does not fit its schema: /keys/0/id must not have fewer than 1"),
      misfit: { path: "/keys/0/id" },
    });
  });

  test("expires for each route as its charter says, and never where no charter bounds it", () => {
    const bound = { maximumMs: 1000, beyond: "refuse" } as const;
    expect(judgeSnapshotAge(bound, 1000)).toBe("fresh");
    expect(judgeSnapshotAge(bound, 1001)).toBe("expired");
    expect(judgeSnapshotAge({ ...bound, beyond: "serve" }, 1001)).toBe("old");
    expect(judgeSnapshotAge(null, Number.MAX_SAFE_INTEGER)).toBe("fresh");
  });
});
