import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  asEpochMicros,
  type Clock,
  type EpochMicros,
  type KeyRing,
  newId,
  type SigningKey,
} from "@portolan/kernel";

/** A key ring in memory with real Ed25519 keys, whose keys the test can retire and revoke. */
export interface TestKeyRing extends KeyRing {
  rotate(): void;
  revoke(keyId: string, at: EpochMicros): void;
  readonly all: readonly SigningKey[];
}

export function testKeyRing(clock: Clock): TestKeyRing {
  const secrets = new Map<string, KeyObject>();
  const keys: SigningKey[] = [];
  const add = (): SigningKey => {
    const { publicKey, privateKey } = generateKeyPairSync("ed25519");
    const key: SigningKey = {
      id: newId("signingKey", clock.now()),
      purpose: "ledger",
      algorithm: "ed25519",
      publicKeyPem: publicKey.export({ type: "spki", format: "pem" }).toString(),
      validFrom: clock.now(),
    };
    secrets.set(key.id, privateKey);
    keys.push(key);
    return key;
  };
  const change = (id: string, more: Partial<SigningKey>): void => {
    const at = keys.findIndex((key) => key.id === id);
    const key = keys[at];
    if (key !== undefined) keys[at] = { ...key, ...more };
  };
  return {
    all: keys,
    current: () => Promise.resolve(keys.find((key) => key.retiredAt === undefined) ?? add()),
    sign: (keyId, bytes) => {
      const secret = secrets.get(keyId);
      if (secret === undefined) return Promise.reject(new Error(`no key ${keyId}`));
      return Promise.resolve(sign(null, bytes, secret));
    },
    find: (keyId) => Promise.resolve(keys.find((key) => key.id === keyId)),
    rotate: () => {
      const now = clock.now();
      for (const key of keys) if (key.retiredAt === undefined) change(key.id, { retiredAt: now });
      add();
    },
    revoke: (keyId, at) => change(keyId, { revokedAt: asEpochMicros(at) }),
  };
}

export async function temporaryFolder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "portolan-ledger-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
