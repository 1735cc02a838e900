import { type KeyObject, sign as signBytes } from "node:crypto";
import {
  type CallContext,
  type Clock,
  digestJson,
  type Id,
  type KeyAlgorithm,
  type KeyPurpose,
  type KeyRing,
  keyPurposes,
  newId,
  PortolanError,
  parseId,
  type SigningKey,
  systemActor,
  type Transaction,
  type UnitOfWork,
} from "@portolan/kernel";
import { type KeyFiles, openKeyFiles } from "./key-files.ts";
import {
  addRevocation,
  findActivePlatformKey,
  findHomeOrganisation,
  findSigningKey,
  insertSigningKey,
  listOrganisationIds,
  listPlatformKeys,
  retireSigningKey,
  revokeSigningKey,
} from "./store.ts";

export interface FileKeyRingDeps {
  /** The `keys` folder; made with mode 0700 when missing. */
  readonly directory: string;
  readonly unitOfWork: UnitOfWork;
  readonly clock: Clock;
}

/** The kernel's key ring plus the life of its keys. */
export interface ManagedKeyRing extends KeyRing {
  /** Keys of the platform for a purpose, newest first, retired and revoked ones included. */
  list(purpose: KeyPurpose): Promise<SigningKey[]>;
  /** Retires the active key and makes the next, in one transaction. Old signatures still verify as of their time. */
  rotate(call: CallContext, purpose: KeyPurpose): Promise<SigningKey>;
  /**
   * Says that the key is compromised since `since`: nothing signed at or after counts. The next `current`
   * makes a new key.
   */
  revoke(call: CallContext, keyId: string, since: number, reason: string): Promise<SigningKey>;
}

/** Models are signed in the OpenSSF layout, which wants ECDSA P-256; everything else is Ed25519. */
export function algorithmOf(purpose: KeyPurpose): KeyAlgorithm {
  return purpose === "model" ? "ecdsa-p256" : "ed25519";
}

/**
 * A key ring whose private halves are files and whose public halves are rows. Control is the only process that
 * opens it, so the active keys are remembered in memory.
 */
export function createFileKeyRing(deps: FileKeyRingDeps): ManagedKeyRing {
  const files = openKeyFiles(deps.directory);
  const active = new Map<KeyPurpose, Promise<SigningKey>>();
  const privateKeys = new Map<string, KeyObject>();

  async function privateKey(keyId: string): Promise<KeyObject> {
    const known = privateKeys.get(keyId);
    if (known) return known;
    const loaded = await files.load(keyId);
    privateKeys.set(keyId, loaded);
    return loaded;
  }

  return {
    current(purpose) {
      const known = active.get(purpose);
      if (known) return known;
      const pending = findOrMake(deps, files, purpose);
      active.set(purpose, pending);
      pending.catch(() => active.delete(purpose));
      return pending;
    },
    async sign(keyId, bytes) {
      const key = await readKey(deps, keyId);
      if (!key || key.holder !== undefined) throw notUsable(keyId, "is not a key of this platform");
      if (key.retiredAt !== undefined) throw notUsable(keyId, "was rotated and signs nothing new");
      if (key.revokedAt !== undefined) throw notUsable(keyId, "was revoked");
      const digest = key.algorithm === "ed25519" ? null : "sha256";
      return signBytes(digest, bytes, await privateKey(keyId));
    },
    find: (keyId) => readKey(deps, keyId),
    list: (purpose) => deps.unitOfWork.look(keyRingCall(deps.clock), (sql) => listPlatformKeys(sql, purpose)),
    async rotate(call, purpose) {
      const made = await make(deps, files, call, purpose);
      active.set(purpose, Promise.resolve(made));
      return made;
    },
    async revoke(call, keyId, since, reason) {
      const revoked = await deps.unitOfWork.write(call, (tx) => revokeInside(tx, keyId, since, reason));
      active.delete(revoked.purpose);
      privateKeys.delete(keyId);
      return revoked;
    },
  };
}

/** Reading keys needs no rights, and happens before anybody is authenticated; the organisation is not used by reads. */
function keyRingCall(clock: Clock, organisationId = "" as Id<"organisation">): CallContext {
  return { actor: systemActor("key-ring", organisationId), requestId: newId("request", clock.now()) };
}

function readKey(deps: FileKeyRingDeps, keyId: string): Promise<SigningKey | undefined> {
  return deps.unitOfWork.read(keyRingCall(deps.clock), (sql) => findSigningKey(sql, keyId));
}

async function findOrMake(deps: FileKeyRingDeps, files: KeyFiles, purpose: KeyPurpose): Promise<SigningKey> {
  if (!keyPurposes.includes(purpose)) throw notUsable(purpose, "is not a purpose of keys");
  const { key, home } = await deps.unitOfWork.read(keyRingCall(deps.clock), async (sql) => ({
    key: await findActivePlatformKey(sql, purpose),
    home: await findHomeOrganisation(sql),
  }));
  if (key) return key;
  const organisationId = home && parseId("organisation", home.id);
  if (!organisationId) {
    throw new PortolanError("identity.not_bootstrapped", {
      detail: "a signing key is made on behalf of the home organisation, and there is none yet",
      mend: "Run `portolan up`, or POST /v1/bootstrap with the bootstrap secret.",
    });
  }
  return make(deps, files, keyRingCall(deps.clock, organisationId), purpose);
}

/** The file comes first: a crash in between leaves an unused file, never a row whose key is lost. */
async function make(
  deps: FileKeyRingDeps,
  files: KeyFiles,
  call: CallContext,
  purpose: KeyPurpose,
): Promise<SigningKey> {
  const id = newId("signingKey", deps.clock.now());
  const algorithm = algorithmOf(purpose);
  const publicKeyPem = await files.create(id, algorithm);
  return deps.unitOfWork.write(call, async (tx) => {
    const previous = await findActivePlatformKey(tx.sql, purpose);
    if (previous) await retireSigningKey(tx.sql, previous.id, tx.now);
    const key: SigningKey = { id, purpose, algorithm, publicKeyPem, validFrom: tx.now };
    await insertSigningKey(tx.sql, key, call.actor.id);
    await tx.record({
      event: previous ? "identity.signing_key.rotated" : "identity.signing_key.created",
      subject: id,
      after: digestJson({ algorithm, id, publicKeyPem, purpose }),
      detail: { purpose, algorithm, ...(previous ? { replaces: previous.id } : {}) },
    });
    return key;
  });
}

async function revokeInside(
  tx: Transaction,
  keyId: string,
  since: number,
  reason: string,
): Promise<SigningKey> {
  const key = await findSigningKey(tx.sql, keyId);
  if (!key) throw new PortolanError("kernel.not_found");
  const at = Math.min(since, tx.now);
  if (await revokeSigningKey(tx.sql, keyId, at, reason)) {
    // Every organisation's tokens may be signed with it: what was verified before ends in all of them at once.
    for (const organisationId of await listOrganisationIds(tx.sql)) {
      await addRevocation(tx.sql, {
        organisationId,
        kind: "signing_key",
        subject: keyId,
        at: tx.now,
        by: tx.call.actor.id,
        reason,
      });
    }
    await tx.record({
      event: "identity.signing_key.revoked",
      subject: keyId,
      detail: { purpose: key.purpose, since: at, reason },
    });
  }
  return (await findSigningKey(tx.sql, keyId)) ?? key;
}

function notUsable(keyId: string, why: string): PortolanError {
  return new PortolanError("identity.key_not_usable", {
    detail: `${keyId} ${why}`,
    mend: "Use the active key of the purpose.",
  });
}
