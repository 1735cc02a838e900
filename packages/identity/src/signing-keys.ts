import { createPublicKey, type KeyObject, verify } from "node:crypto";
import {
  asEpochMicros,
  type CallContext,
  type Clock,
  digestJson,
  newId,
  PortolanError,
  type SigningKey,
} from "@portolan/kernel";
import type { DirectoryDeps } from "./directory.ts";
import type { OnDenied } from "./ports.ts";
import { normalPem, possessionStatement } from "./possession.ts";
import {
  addRevocation,
  findSigningKey,
  identityTables,
  insertSigningKey,
  retireSigningKey,
  signingKeyOf,
} from "./store.ts";

export interface PossessionProof {
  /** SubjectPublicKeyInfo in PEM. */
  readonly publicKeyPem: string;
  /** When the proof was signed, epoch microseconds. */
  readonly signedAt: number;
  /** Ed25519 over `possessionStatement`, base64. */
  readonly signature: string;
}

/** A proof counts for five minutes in both directions, so that an old one cannot be replayed. */
const proofMicros = 300_000_000;

/** A charter key speaks for a person: it is registered by somebody who signed in this short a time ago. */
const freshMicros = 900_000_000;

/** Registers the caller's own charter key; the earlier one is retired and still verifies what it signed. */
export async function registerCharterKey(
  deps: DirectoryDeps & { readonly onDenied: OnDenied; readonly clock: Clock },
  call: CallContext,
  proof: PossessionProof,
): Promise<SigningKey> {
  const organisationId = call.actor.organisationId;
  const holder = call.actor.id;
  await deps.authorizer.require(call, "identity:register_key", {
    type: "SigningKey",
    organisationId,
    attributes: { holder },
  });
  if (call.actor.kind !== "user") throw badProof("only people sign charters");
  await requireFreshToken(deps, call);
  const key = readEd25519(proof.publicKeyPem);
  const statement = possessionStatement(holder, proof.publicKeyPem, proof.signedAt);
  if (!verify(null, statement, key, Buffer.from(proof.signature, "base64"))) {
    throw badProof("the signature does not verify with the key");
  }
  const publicKeyPem = normalPem(proof.publicKeyPem);
  return deps.unitOfWork.write(call, async (tx) => {
    if (Math.abs(tx.now - proof.signedAt) > proofMicros) throw badProof("the proof is not from now");
    const db = identityTables(tx.sql);
    const earlier = await db
      .selectFrom("identity.signing_keys")
      .selectAll()
      .where((where) => where.or([where("holder", "=", holder), where("public_key_pem", "=", publicKeyPem)]))
      .execute();
    if (earlier.some((row) => row.public_key_pem === publicKeyPem)) {
      throw badProof("this key was registered before");
    }
    for (const row of earlier) await retireSigningKey(tx.sql, row.id, tx.now);
    const registered: SigningKey = {
      id: newId("signingKey", tx.now),
      purpose: "charter",
      algorithm: "ed25519",
      publicKeyPem,
      holder,
      validFrom: asEpochMicros(tx.now),
    };
    await insertSigningKey(tx.sql, registered, holder, organisationId);
    await tx.record({
      event: "identity.charter_key.registered",
      subject: registered.id,
      after: digestJson({ holder, publicKeyPem }),
      detail: { holder },
    });
    return registered;
  });
}

/** Revokes a charter key, one's own or (with `identity:revoke_charter_key`) anybody's. `since`: from when it was in wrong hands. */
export async function revokeCharterKey(
  deps: DirectoryDeps,
  call: CallContext,
  keyId: string,
  since: number,
  reason: string,
): Promise<SigningKey> {
  const organisationId = call.actor.organisationId;
  const row = await deps.unitOfWork.read(call, (sql) =>
    identityTables(sql)
      .selectFrom("identity.signing_keys")
      .selectAll()
      .where("id", "=", keyId)
      .where("organisation_id", "=", organisationId)
      .executeTakeFirst(),
  );
  const own = row?.holder === call.actor.id;
  await deps.authorizer.require(call, own ? "identity:register_key" : "identity:revoke_charter_key", {
    type: "SigningKey",
    id: keyId,
    organisationId,
    ...(row === undefined || row.holder === null ? {} : { attributes: { holder: row.holder } }),
  });
  if (!row) throw new PortolanError("kernel.not_found");
  return deps.unitOfWork.write(call, async (tx) => {
    const at = Math.min(since, tx.now);
    await identityTables(tx.sql)
      .updateTable("identity.signing_keys")
      .set({ revoked_at: at, revocation_reason: reason })
      .where("id", "=", keyId)
      .execute();
    await addRevocation(tx.sql, {
      organisationId,
      kind: "signing_key",
      subject: keyId,
      at: tx.now,
      by: call.actor.id,
      reason,
    });
    await tx.record({
      event: "identity.charter_key.revoked",
      subject: keyId,
      detail: { since: at, reason, holder: row.holder },
    });
    return (await findSigningKey(tx.sql, keyId)) ?? signingKeyOf(row);
  });
}

/** An API key, or a token of this morning, may be in other hands than the person's by now. */
async function requireFreshToken(
  deps: { readonly onDenied: OnDenied; readonly clock: Clock },
  call: CallContext,
): Promise<void> {
  const { credential, id, organisationId } = call.actor;
  if (credential?.kind === "token" && deps.clock.now() - credential.issuedAt <= freshMicros) return;
  await deps.onDenied({
    kind: "forbidden",
    reason: "no fresh token of the holder",
    requestId: call.requestId,
    action: "identity:register_key",
    principalId: id,
    organisationId,
  });
  throw new PortolanError("identity.fresh_token_required", {
    detail: "a charter key is registered with a token of its holder that is not older than fifteen minutes",
    mend: "Sign in again, and register the key with the new token.",
  });
}

function readEd25519(pem: string): KeyObject {
  let key: KeyObject | undefined;
  try {
    key = createPublicKey({ key: pem, format: "pem", type: "spki" });
  } catch {
    throw badProof("the key is no PEM of a public key");
  }
  if (pem.includes("PRIVATE") || key.asymmetricKeyType !== "ed25519") {
    throw badProof("the key is not a public Ed25519 key");
  }
  return key;
}

function badProof(detail: string): PortolanError {
  return new PortolanError("identity.bad_proof_of_possession", {
    detail,
    mend: "Let `portolan keys register` make the key and the proof.",
  });
}
