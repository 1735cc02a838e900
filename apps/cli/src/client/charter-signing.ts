import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { CharterStatus, CharterSummary, CharterView, SigningRole } from "@portolan/charter/contract";
import { charterSigningBytes } from "@portolan/charter/policy";
import { possessionStatement } from "@portolan/identity/policy";
import { isMissingFile, PortolanError, type SigningKey, systemClock } from "@portolan/kernel";
import type { CliContext } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import type { ApiClient } from "./api-client.ts";

export interface SignResult {
  readonly status: CharterStatus;
  readonly signatureId: string;
  readonly missingRoles: readonly SigningRole[];
}

/** The version that a signer means: by id, or the newest of a use case. */
export async function findCharterVersion(
  api: ApiClient,
  which: { readonly id?: string; readonly useCase?: string },
): Promise<CharterView> {
  if (which.id !== undefined)
    return api.json<CharterView>({ path: `/v1/charters/${encodeURIComponent(which.id)}` });
  if (which.useCase === undefined) {
    throw new PortolanError<CliErrorCode>("cli.bad_usage", {
      detail: "which charter?",
      mend: "Give its id, or --use-case <name>.",
    });
  }
  const query = new URLSearchParams({ useCase: which.useCase });
  const { charters } = await api.json<{ charters: readonly CharterSummary[] }>({
    path: `/v1/charters?${query.toString()}`,
  });
  const newest = charters.toSorted((a, b) => b.version - a.version)[0];
  if (!newest) {
    throw new PortolanError<CliErrorCode>("cli.bad_usage", {
      detail: `no charter of ${which.useCase} was submitted`,
      mend: "Submit it with: portolan apply",
    });
  }
  return api.json<CharterView>({ path: `/v1/charters/${newest.id}` });
}

/** Signs here, with a key that never leaves this machine; registers its public half on first use. */
export async function signAs(
  context: CliContext,
  api: ApiClient,
  version: CharterView,
  role: SigningRole,
): Promise<SignResult> {
  const { id: signer } = await api.json<{ id: string }>({ path: "/v1/whoami" });
  const privateKey = await personalKey(context.home, signer);
  const keyId = await registeredKey(api, signer, privateKey);
  const bytes = charterSigningBytes({
    organisationId: version.organisationId,
    charterId: version.id,
    useCaseId: version.useCaseId,
    version: version.version,
    role,
    signer,
    keyId,
    charter: version.charter,
  });
  const signature = sign(null, bytes, privateKey).toString("base64");
  return api.json<SignResult>({
    path: `/v1/charters/${version.id}/signatures`,
    body: { role, keyId, signature },
  });
}

async function personalKey(home: string, holder: string): Promise<KeyObject> {
  const folder = join(home, "personal-keys");
  const file = join(folder, `${holder}.pem`);
  try {
    return createPrivateKey(await readFile(file));
  } catch (error) {
    if (!isMissingFile(error)) throw error;
  }
  const { privateKey } = generateKeyPairSync("ed25519");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(file, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600, flag: "wx" });
  return privateKey;
}

async function registeredKey(api: ApiClient, holder: string, privateKey: KeyObject): Promise<string> {
  const publicKeyPem = createPublicKey(privateKey).export({ type: "spki", format: "pem" }).toString();
  const { items } = await api.json<{ items: readonly SigningKey[] }>({ path: "/v1/signing-keys" });
  const known = items.find(
    (key) => key.publicKeyPem === publicKeyPem && key.retiredAt === undefined && key.revokedAt === undefined,
  );
  if (known) return known.id;
  const signedAt = systemClock.now();
  const signature = sign(null, possessionStatement(holder, publicKeyPem, signedAt), privateKey).toString(
    "base64",
  );
  const registered = await api.json<SigningKey>({
    path: "/v1/signing-keys",
    body: { publicKeyPem, signedAt, signature },
  });
  return registered.id;
}
