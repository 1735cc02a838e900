import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from "node:crypto";
import { charterSigningBytes } from "@portolan/charter/policy";
import { possessionStatement } from "@portolan/identity/policy";
import { environments, systemClock } from "@portolan/kernel";

export type ApiMethod = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly requestId: string;
  readonly text: string;
  /** The JSON body; empty when it is not JSON. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** Control's API, over a socket or injected: what the steps below are written against. */
export interface Api {
  call(method: ApiMethod, path: string, body?: unknown, token?: string): Promise<Answer>;
  token(principal: string): Promise<string>;
}

/** Calls and insists on success. */
export async function must(api: Api, method: ApiMethod, path: string, body?: unknown, token?: string) {
  const answer = await api.call(method, path, body, token);
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
  return answer.body;
}

export interface Acme {
  readonly organisationId: string;
  readonly useCaseId: string;
}

/**
 * An organisation as the flight-delays charter names it: ada administers, lea leads the team, ron approves risk, sam
 * is a data scientist, ann audits, and the service account ci pushes versions.
 */
export async function bootstrapAcme(api: Api, secret: string): Promise<Acme> {
  const named = (name: string) => ({ name, displayName: name });
  const made = await must(api, "POST", "/v1/bootstrap", {
    secret,
    organisation: named("acme"),
    administrator: named("ada"),
  });
  const organisationId = (made["organisation"] as { id: string }).id;
  const ada = await api.token("ada");
  const post = (path: string, body: object) => must(api, "POST", path, body, ada);
  await post("/v1/business-units", named("operations"));
  await post("/v1/teams", { ...named("network-planning"), businessUnit: "operations" });
  const useCase = await post("/v1/use-cases", { ...named("flight-delays"), team: "network-planning" });
  for (const name of ["lea", "ron", "sam", "ann", "eve"]) await post("/v1/users", named(name));
  for (const name of ["ci", "gateway-1"]) await post("/v1/service-accounts", named(name));
  const organisation = { kind: "organisation", id: organisationId };
  const team = { kind: "team", id: "network-planning" };
  for (const [principal, role, scope] of [
    ["lea", "team_lead", team],
    ["ron", "approver_risk", organisation],
    ["sam", "data_scientist", team],
    ["ann", "auditor", organisation],
    ["ci", "ci", organisation],
    ["gateway-1", "gateway", organisation],
  ] as const)
    await post("/v1/role-bindings", { principal, role, scope, environments });
  return { organisationId, useCaseId: String(useCase["id"]) };
}

/** A person's own Ed25519 key, registered by proof of possession; its private half stays here. */
export async function registerKey(api: Api, token: string): Promise<{ keyId: string; privatePem: string }> {
  const { id: holder } = await must(api, "GET", "/v1/whoami", undefined, token);
  const { privatePem, body } = keyProof(String(holder));
  const key = await must(api, "POST", "/v1/signing-keys", body, token);
  return { keyId: String(key["id"]), privatePem };
}

/** A new key pair and what its holder sends to register it. */
export function keyProof(holder: string) {
  const { privateKey } = generateKeyPairSync("ed25519");
  const publicKeyPem = createPublicKey(privateKey).export({ type: "spki", format: "pem" }).toString();
  const signedAt = systemClock.now();
  const statement = possessionStatement(holder, publicKeyPem, signedAt);
  const signature = sign(null, statement, privateKey).toString("base64");
  const privatePem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  return { privatePem, body: { publicKeyPem, signedAt, signature } };
}

/** What a signer sends: a signature over the charter as the server shows it. */
export async function signatureFor(
  api: Api,
  charterId: string,
  signer: { readonly name: string; readonly role: "team_lead" | "approver_risk" },
) {
  const token = await api.token(signer.name);
  const { id } = await must(api, "GET", "/v1/whoami", undefined, token);
  const { keyId, privatePem } = await registerKey(api, token);
  const view = await must(api, "GET", `/v1/charters/${charterId}`, undefined, token);
  const statement = { ...view, charterId, role: signer.role, signer: id, keyId };
  const bytes = charterSigningBytes(statement as unknown as Parameters<typeof charterSigningBytes>[0]);
  const signature = sign(null, bytes, createPrivateKey(privatePem)).toString("base64");
  return { token, body: { role: signer.role, keyId, signature } };
}

/** Submits the text and has lea and ron sign it: in force afterwards. */
export async function putInForce(
  api: Api,
  source: string,
): Promise<{ charterId: string; statuses: string[] }> {
  const lea = await api.token("lea");
  const submitted = await must(api, "POST", "/v1/charters", { source, file: "charter.yaml" }, lea);
  const charterId = String(submitted["charterId"]);
  const statuses: string[] = [];
  for (const signer of [
    { name: "lea", role: "team_lead" },
    { name: "ron", role: "approver_risk" },
  ] as const) {
    const { token, body } = await signatureFor(api, charterId, signer);
    const signed = await must(api, "POST", `/v1/charters/${charterId}/signatures`, body, token);
    statuses.push(String(signed["status"]));
  }
  return { charterId, statuses };
}
