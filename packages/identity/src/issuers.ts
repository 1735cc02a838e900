import {
  type AddressRules,
  type CallContext,
  digestJson,
  type Environment,
  judgeUrl,
  PortolanError,
  type Sql,
  type Transaction,
} from "@portolan/kernel";
import { isOwnAudience } from "./development-issuer.ts";
import type { DirectoryDeps } from "./directory.ts";
import { addRevocation, identityTables, type OidcIssuerRow } from "./store.ts";
import { type JsonWebKeySet, type TrustedIssuer, tokenAlgorithms } from "./tokens/trusted-issuer.ts";

export type NewIssuer = Omit<TrustedIssuer, "organisationId">;

export interface TrustDeps extends DirectoryDeps {
  /** `iss` of our own issuer, which nobody else may speak for. */
  readonly ownIssuer: string;
  readonly addresses: AddressRules;
}

/** Trusts an outside issuer, or replaces what was said of it. The addresses come from here and never from a token. */
export async function trustIssuer(
  deps: TrustDeps,
  call: CallContext,
  input: NewIssuer,
): Promise<TrustedIssuer> {
  const organisationId = call.actor.organisationId;
  await deps.authorizer.require(call, "identity:manage", { type: "Organisation", organisationId });
  const problem = findProblem(deps, call, input);
  if (problem) throw new PortolanError("identity.bad_issuer", problem);
  const issuer: TrustedIssuer = { ...input, organisationId };
  await deps.unitOfWork.write(call, async (tx) => {
    await claimAudiences(tx, issuer);
    const values = { ...rowOf(issuer), disabled_at: null };
    await identityTables(tx.sql)
      .insertInto("identity.oidc_issuers")
      .values({ ...values, created_at: tx.now, created_by: call.actor.id })
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

function findProblem(
  deps: TrustDeps,
  call: CallContext,
  input: NewIssuer,
): { detail: string; mend: string } | undefined {
  if (input.jwks === undefined && input.jwksUri === undefined) {
    return {
      detail: "neither keys nor an address of keys is given",
      mend: "Give jwks or jwksUri; /.well-known/openid-configuration of the issuer names the address.",
    };
  }
  const address = input.jwksUri === undefined ? undefined : judgeUrl(deps.addresses, input.jwksUri);
  if (address?.kind === "refused") {
    return {
      detail: `the address of the keys is not accepted: ${address.why}`,
      mend: "Use the issuer's public https address, or have the operator allow its host in OIDC_ALLOWED_HOSTS.",
    };
  }
  const beyond = input.environments.find((name) => !call.actor.environments.includes(name));
  if (beyond !== undefined) {
    return {
      detail: `your own credential does not reach ${beyond}`,
      mend: "Name environments that it reaches.",
    };
  }
  if (input.issuer === deps.ownIssuer || input.audiences.some(isOwnAudience)) return notToldApart;
  return undefined;
}

/** The same for what is ours and for what is another organisation's. */
const notToldApart = {
  detail: "tokens of this issuer with this audience could not be told apart from others here",
  mend: "Have the issuer put an audience into its tokens that is your organisation's alone.",
};

/** Throws unless the issuer's audiences are free or this organisation's already. */
async function claimAudiences(tx: Transaction, issuer: TrustedIssuer): Promise<void> {
  await releaseAudiences(tx, issuer.issuer);
  const audiences = [...new Set(issuer.audiences)];
  const claimed = await identityTables(tx.sql)
    .insertInto("identity.issuer_audiences")
    .values(
      audiences.map((audience) => ({
        issuer: issuer.issuer,
        audience,
        organisation_id: issuer.organisationId,
      })),
    )
    .onConflict((conflict) => conflict.columns(["issuer", "audience"]).doNothing())
    .returning("audience")
    .execute();
  if (claimed.length < audiences.length) throw new PortolanError("identity.bad_issuer", notToldApart);
}

async function releaseAudiences(tx: Transaction, issuer: string): Promise<void> {
  await identityTables(tx.sql)
    .deleteFrom("identity.issuer_audiences")
    .where("organisation_id", "=", tx.call.actor.organisationId)
    .where("issuer", "=", issuer)
    .execute();
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
    await releaseAudiences(tx, issuer);
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

/** All issuers trusted now, of one organisation or of all, in the order in which they were first trusted. */
export async function listTrustedIssuers(sql: Sql, organisationId?: string): Promise<TrustedIssuer[]> {
  let query = identityTables(sql)
    .selectFrom("identity.oidc_issuers")
    .selectAll()
    .where("disabled_at", "is", null);
  if (organisationId !== undefined) query = query.where("organisation_id", "=", organisationId);
  return (await query.orderBy("created_at").orderBy("organisation_id").orderBy("issuer").execute()).map(
    issuerOf,
  );
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
