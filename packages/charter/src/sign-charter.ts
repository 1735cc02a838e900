import {
  type CallContext,
  keyCounts,
  newId,
  PortolanError,
  parseDigest,
  type SigningKey,
  type Transaction,
} from "@portolan/kernel";
import { type CharterDeps, loadCharter } from "./deps.ts";
import type { SigningRole } from "./document.ts";
import { requiredSignatures } from "./required-signatures.ts";
import { verifyCharterSignature } from "./signing-statement.ts";
import {
  chartersOfUseCase,
  findCharter,
  insertSignature,
  lockUseCase,
  type StoredCharter,
  setStatus,
  signaturesOf,
} from "./store.ts";
import type { CharterStatus, SignatureView } from "./views.ts";

export interface CharterSignature {
  readonly role: SigningRole;
  /** `sgk_…`: a registered key of purpose `charter` whose holder is the caller. */
  readonly keyId: string;
  /** Ed25519 over `charterSigningBytes`, in base64; made where the person's key is, never here. */
  readonly signature: string;
}

export interface SignedCharter {
  readonly status: CharterStatus;
  readonly signatureId: string;
  readonly missingRoles: readonly SigningRole[];
}

/**
 * Takes one person's signature in one role. With the last one that the content demands the version comes into force
 * and the one before it is superseded, in the same transaction.
 *
 * @throws PortolanError `charter.signature_not_asked`, `charter.role_not_held`, `charter.signing_key_not_usable`,
 * `charter.signature_not_valid`, `charter.already_signed`, `charter.not_open_for_signature`
 */
export async function signCharter(
  deps: CharterDeps,
  call: CallContext,
  charterId: string,
  given: CharterSignature,
): Promise<SignedCharter> {
  const stored = await loadCharter(deps, call, charterId, "charter:sign");
  const required = requiredSignatures(stored.document).map((entry) => entry.role);
  if (!required.includes(given.role)) {
    throw new PortolanError("charter.signature_not_asked", {
      detail: `this charter asks for ${required.join(", ")}, not for ${given.role}`,
      mend: "Sign in one of the roles asked for, or list the role under signOff.alsoRequired.",
    });
  }
  await requireRole(deps, call, stored, given.role);
  const key = await requireKey(deps, call, given.keyId);
  requireValidSignature(call, stored, given, key);
  return deps.uow.write(call, (tx) => addSignature(tx, charterId, given, key, required));
}

async function requireRole(
  deps: CharterDeps,
  call: CallContext,
  { summary }: StoredCharter,
  role: SigningRole,
) {
  const scope = {
    organisationId: call.actor.organisationId,
    businessUnitId: summary.businessUnitId,
    teamId: summary.teamId,
    useCaseId: summary.useCaseId,
  };
  if (call.actor.kind === "user" && (await deps.roles.holdsRole(call.actor.id, role, scope))) return;
  throw new PortolanError("charter.role_not_held", {
    detail: `${call.actor.id} does not hold the role ${role} for ${summary.useCase}`,
    mend: `Sign as a person who holds the role (--as), or have an administrator give it: portolan grant ${role} --to <name>`,
  });
}

async function requireKey(deps: CharterDeps, call: CallContext, keyId: string): Promise<SigningKey> {
  const key = await deps.signingKeys.find(keyId);
  const unusable = (detail: string) =>
    new PortolanError("charter.signing_key_not_usable", {
      detail,
      mend: "Sign with a registered charter key of your own; portolan sign registers one on first use.",
    });
  // One wording for a missing key and for somebody else's: whose keys exist is nobody's business.
  if (!key || key.holder !== call.actor.id) throw unusable(`${keyId} is no key of ${call.actor.id}`);
  if (key.purpose !== "charter" || key.algorithm !== "ed25519")
    throw unusable(`${keyId} is not a charter key`);
  if (!keyCounts(key, deps.clock.now())) throw unusable(`${keyId} is retired or revoked`);
  return key;
}

function requireValidSignature(
  call: CallContext,
  stored: StoredCharter,
  given: CharterSignature,
  key: SigningKey,
): void {
  const statement = {
    organisationId: stored.summary.organisationId,
    charterId: stored.summary.id,
    useCaseId: stored.summary.useCaseId,
    version: stored.summary.version,
    role: given.role,
    signer: call.actor.id,
    keyId: key.id,
    charter: stored.document,
  };
  if (verifyCharterSignature(statement, given.signature, key.publicKeyPem)) return;
  throw new PortolanError("charter.signature_not_valid", {
    detail: `the signature is not that of ${key.id} over version ${stored.summary.version} as ${given.role}`,
    mend: "Fetch the version again and sign it anew: portolan sign does both.",
  });
}

async function addSignature(
  tx: Transaction,
  charterId: string,
  given: CharterSignature,
  key: SigningKey,
  required: readonly SigningRole[],
): Promise<SignedCharter> {
  const { actor } = tx.call;
  const before = await requireOpen(tx, charterId);
  const signatures = await signaturesOf(tx.sql, charterId);
  requireUnsigned(signatures, given.role, actor.id, key);
  const signatureId = newId("charterSignature", tx.now);
  await insertSignature(tx.sql, charterId, {
    id: signatureId,
    role: given.role,
    signer: actor.id,
    keyId: key.id,
    publicKeyPem: key.publicKeyPem,
    signature: given.signature,
    signedAt: tx.now,
  });
  const digest = parseDigest(before.summary.digest);
  await tx.record({
    event: "charter.version.signed",
    subject: charterId,
    ...(digest ? { after: digest } : {}),
    detail: { role: given.role, keyId: key.id, version: before.summary.version, signature: given.signature },
  });
  const signed = new Set([...signatures.map((signature) => signature.role), given.role]);
  const missingRoles = required.filter((role) => !signed.has(role));
  if (missingRoles.length > 0) await setStatus(tx.sql, charterId, "partially_signed");
  else await putInForce(tx, before);
  return { status: missingRoles.length > 0 ? "partially_signed" : "in_force", signatureId, missingRoles };
}

async function requireOpen(tx: Transaction, charterId: string): Promise<StoredCharter> {
  const found = await findCharter(tx.sql, tx.call.actor.organisationId, charterId);
  if (found) await lockUseCase(tx.sql, found.summary.useCaseId);
  // Read again under the lock: another signature or submission may have come in between.
  const stored = await findCharter(tx.sql, tx.call.actor.organisationId, charterId);
  if (stored?.summary.status === "draft" || stored?.summary.status === "partially_signed") return stored;
  throw new PortolanError("charter.not_open_for_signature", {
    detail: `version ${stored?.summary.version ?? "?"} is ${stored?.summary.status ?? "gone"}`,
    mend: "Submit the charter again: a new version takes signatures.",
  });
}

function requireUnsigned(
  signatures: readonly SignatureView[],
  role: SigningRole,
  signer: string,
  key: SigningKey,
): void {
  const already = (detail: string) =>
    new PortolanError("charter.already_signed", {
      detail,
      mend: "Each role is filled once, and by a different person each.",
    });
  if (signatures.some((signature) => signature.role === role)) throw already(`${role} has signed already`);
  const own = signatures.find((signature) => signature.signer === signer);
  if (own) throw already(`${signer} has signed already, as ${own.role}`);
  // Two registrations of one public key would let one person stand for two.
  if (signatures.some((signature) => signature.publicKeyPem === key.publicKeyPem)) {
    throw already("this key has signed already");
  }
}

async function putInForce(tx: Transaction, charter: StoredCharter): Promise<void> {
  const versions = await chartersOfUseCase(tx.sql, charter.summary.useCaseId);
  const previous = versions.find((version) => version.summary.status === "in_force");
  if (previous) await setStatus(tx.sql, previous.summary.id, "superseded", { endedAt: tx.now });
  await setStatus(tx.sql, charter.summary.id, "in_force", { inForceSince: tx.now });
  const before = previous && parseDigest(previous.summary.digest);
  const after = parseDigest(charter.summary.digest);
  await tx.record({
    event: "charter.version.put_in_force",
    subject: charter.summary.id,
    ...(before ? { before } : {}),
    ...(after ? { after } : {}),
    detail: { useCase: charter.summary.useCase, version: charter.summary.version },
  });
}
