import { type CallContext, digestJson, type Environment, PortolanError, type Sql } from "@portolan/kernel";
import type { DirectoryDeps } from "./directory.ts";
import { addRevocation, identityTables, type OidcIssuerRow } from "./store.ts";
import { type JsonWebKeySet, type TrustedIssuer, tokenAlgorithms } from "./tokens/trusted-issuer.ts";

export type NewIssuer = Omit<TrustedIssuer, "organisationId">;

/** Trusts an outside issuer, or replaces what was said of it. The addresses come from here and never from a token. */
export async function trustIssuer(
  deps: DirectoryDeps,
  call: CallContext,
  input: NewIssuer,
): Promise<TrustedIssuer> {
  const organisationId = call.actor.organisationId;
  await deps.authorizer.require(call, "identity:manage", { type: "Organisation", organisationId });
  if (input.jwks === undefined && input.jwksUri === undefined) {
    throw new PortolanError("identity.bad_issuer", {
      detail: "neither keys nor an address of keys is given",
      mend: "Give jwks or jwksUri; /.well-known/openid-configuration of the issuer names the address.",
    });
  }
  if (input.jwksUri !== undefined && !isSafeAddress(input.jwksUri)) {
    throw new PortolanError("identity.bad_issuer", {
      detail: "keys are fetched over https, or over http from this machine",
      mend: "Use the issuer's https address.",
    });
  }
  const issuer: TrustedIssuer = { ...input, organisationId };
  await deps.unitOfWork.write(call, async (tx) => {
    const values = { ...rowOf(issuer), created_at: tx.now, created_by: call.actor.id, disabled_at: null };
    await identityTables(tx.sql)
      .insertInto("identity.oidc_issuers")
      .values(values)
      .onConflict((conflict) => conflict.columns(["organisation_id", "issuer"]).doUpdateSet(values))
      .execute();
    await addRevocation(tx.sql, {
      organisationId,
      kind: "issuer",
      subject: issuer.issuer,
      at: tx.now,
      by: call.actor.id,
      reason: "trust changed",
    });
    const detail = {
      audiences: issuer.audiences,
      algorithms: issuer.algorithms,
      environments: issuer.environments,
    };
    await tx.record({
      event: "identity.issuer.trusted",
      subject: issuer.issuer,
      after: digestJson(detail),
      detail,
    });
  });
  return issuer;
}

/** Stops trusting an issuer; remembered verifications end at once. */
export async function distrustIssuer(deps: DirectoryDeps, call: CallContext, issuer: string): Promise<void> {
  const organisationId = call.actor.organisationId;
  await deps.authorizer.require(call, "identity:manage", { type: "Organisation", organisationId });
  await deps.unitOfWork.write(call, async (tx) => {
    const result = await identityTables(tx.sql)
      .updateTable("identity.oidc_issuers")
      .set({ disabled_at: tx.now })
      .where("organisation_id", "=", organisationId)
      .where("issuer", "=", issuer)
      .where("disabled_at", "is", null)
      .executeTakeFirst();
    if (result.numUpdatedRows === 0n) throw new PortolanError("kernel.not_found");
    await addRevocation(tx.sql, {
      organisationId,
      kind: "issuer",
      subject: issuer,
      at: tx.now,
      by: call.actor.id,
    });
    await tx.record({ event: "identity.issuer.distrusted", subject: issuer });
  });
}

/** All issuers trusted now, of one organisation or of all. */
export async function listTrustedIssuers(sql: Sql, organisationId?: string): Promise<TrustedIssuer[]> {
  let query = identityTables(sql)
    .selectFrom("identity.oidc_issuers")
    .selectAll()
    .where("disabled_at", "is", null);
  if (organisationId !== undefined) query = query.where("organisation_id", "=", organisationId);
  return (await query.orderBy("organisation_id").orderBy("issuer").execute()).map(issuerOf);
}

/** Inside our network a token server may speak plain http only when it is this very machine. */
export function isSafeAddress(text: string): boolean {
  const url = URL.parse(text);
  if (!url || url.username !== "" || url.password !== "") return false;
  const loopback = ["127.0.0.1", "[::1]", "localhost"].includes(url.hostname);
  return url.protocol === "https:" || (url.protocol === "http:" && loopback);
}

function rowOf(issuer: TrustedIssuer) {
  return {
    organisation_id: issuer.organisationId,
    issuer: issuer.issuer,
    audiences: [...issuer.audiences],
    algorithms: [...issuer.algorithms],
    jwks_uri: issuer.jwksUri ?? null,
    jwks: issuer.jwks === undefined ? null : JSON.stringify(issuer.jwks),
    token_type: issuer.tokenType,
    subject_claim: issuer.subjectClaim,
    environments: [...issuer.environments] satisfies Environment[],
    environments_claim: issuer.environmentsClaim ?? null,
  };
}

function issuerOf(row: OidcIssuerRow): TrustedIssuer {
  return {
    issuer: row.issuer,
    organisationId: row.organisation_id,
    audiences: row.audiences,
    algorithms: tokenAlgorithms.filter((name) => row.algorithms.includes(name)),
    tokenType: row.token_type,
    subjectClaim: row.subject_claim,
    environments: row.environments,
    ...(row.jwks === null ? {} : { jwks: row.jwks as JsonWebKeySet }),
    ...(row.jwks_uri === null ? {} : { jwksUri: row.jwks_uri }),
    ...(row.environments_claim === null ? {} : { environmentsClaim: row.environments_claim }),
  };
}
