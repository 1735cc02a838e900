import type { CallContext, Environment, Sql, UnitOfWork } from "@portolan/kernel";
import { storedApiKey } from "./api-keys.ts";
import type { PrincipalFacts } from "./authorization/facts.ts";
import type { DecisionMemory } from "./decision-memory.ts";
import type { DevelopmentIssuer } from "./development-issuer.ts";
import { findPolicySet, findUseCasePath, heldRoles, listBindings } from "./directory-store.ts";
import type {
  GatewayApiKey,
  GatewayEndpointGrant,
  GatewayGrants,
  GatewayIssuer,
  GatewayPrincipal,
} from "./gateway-grants.ts";
import { listTrustedIssuers } from "./issuers.ts";
import { identityTables, revocationEpoch } from "./store.ts";
import type { IssuerKeys } from "./tokens/issuer-keys.ts";
import type { TrustedIssuer } from "./tokens/trusted-issuer.ts";

export interface SnapshotGrantsDeps {
  readonly unitOfWork: UnitOfWork;
  readonly decisions: DecisionMemory;
  readonly developmentIssuer?: DevelopmentIssuer;
  /** Keys of outside issuers, fetched elsewhere: a snapshot waits for no provider. */
  readonly issuerKeys?: Pick<IssuerKeys, "lastKnown">;
}

/** An endpoint as serving knows it. */
export interface GrantedEndpoint {
  /** The name under which the gateway looks it up. */
  readonly endpoint: string;
  readonly environment: Environment;
  readonly useCaseId?: string;
  readonly teamId?: string;
  readonly businessUnitId?: string;
  /** Whether it reads features. */
  readonly hasFeatures?: boolean;
  readonly attributes?: Readonly<Record<string, string | boolean | number>>;
}

/**
 * Everything that a gateway of one organisation and environment needs to authenticate and decide alone, by environment. The policy set, the
 * organisation's own policies included, is asked here for every principal and endpoint; the gateway looks up. What all environments share is read once:
 * this happens every two seconds.
 */
export async function grantsForSnapshot(
  deps: SnapshotGrantsDeps,
  call: CallContext,
  environments: readonly Environment[],
  endpoints: readonly GrantedEndpoint[],
): Promise<GatewayGrants[]> {
  const organisationId = call.actor.organisationId;
  const directory = await deps.unitOfWork.read(call, (sql) => load(sql, organisationId, endpoints));
  const development = await deps.developmentIssuer?.trustedBy(organisationId);
  const trusted = development ? [...directory.issuers, development] : directory.issuers;
  const withTheirKeys = await Promise.all(trusted.map((issuer) => withKeys(issuer, deps.issuerKeys)));
  const issuers = withTheirKeys.filter((issuer) => issuer !== undefined);
  const all: GatewayGrants[] = [];
  for (const environment of environments) {
    const loaded = within(directory, organisationId, environment);
    all.push({
      organisationId,
      environment,
      revocationEpoch: directory.epoch,
      issuers,
      principals: loaded.principals.map(({ principal }) => withOwnSubject(principal, development?.issuer)),
      apiKeys: loaded.apiKeys,
      revokedTokens: directory.revokedTokens,
      endpoints: await decideAll(deps.decisions, loaded, organisationId, environment),
    });
  }
  return all;
}

async function decideAll(
  memory: DecisionMemory,
  loaded: ReturnType<typeof within>,
  organisationId: string,
  environment: Environment,
): Promise<GatewayEndpointGrant[]> {
  const pass = memory.begin(organisationId, environment, loaded.policies);
  const grants: GatewayEndpointGrant[] = [];
  for (const { endpoint, resource, hasFeatures } of loaded.resources) {
    const principals: string[] = [];
    const actors: string[] = [];
    const readers: string[] = [];
    for (const { facts } of loaded.principals) {
      if (hasFeatures && (await pass.allows(facts, "features:read_online", resource))) readers.push(facts.id);
      if (!(await pass.allows(facts, "serving:predict", resource))) continue;
      principals.push(facts.id);
      const mayAct =
        facts.kind === "service_account" && (await pass.allows(facts, "identity:act_for", resource));
      if (mayAct) actors.push(facts.id);
    }
    grants.push({
      endpoint,
      environment,
      principals: principals.toSorted(),
      actors: actors.toSorted(),
      ...(hasFeatures ? { readers: readers.toSorted() } : {}),
    });
  }
  pass.end();
  return grants;
}

/** The development issuer names principals by their own id. */
function withOwnSubject(principal: GatewayPrincipal, issuer: string | undefined): GatewayPrincipal {
  if (issuer === undefined) return principal;
  return { ...principal, subjects: [...principal.subjects, { issuer, subject: principal.id }] };
}

interface LoadedPrincipal {
  readonly principal: GatewayPrincipal;
  readonly facts: PrincipalFacts;
}

async function load(sql: Sql, organisationId: string, endpoints: readonly GrantedEndpoint[]) {
  const db = identityTables(sql);
  const members = await loadMembers(sql, organisationId);
  const keys = await db
    .selectFrom("identity.api_keys")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("revoked_at", "is", null)
    .orderBy("id")
    .execute();
  const revoked = await db
    .selectFrom("identity.revocations")
    .select("subject")
    .where("organisation_id", "=", organisationId)
    .where("kind", "=", "token")
    .orderBy("subject")
    .execute();
  const resources = await Promise.all(
    endpoints.map(async ({ endpoint, hasFeatures = false, ...rest }) => ({
      endpoint,
      hasFeatures,
      environment: rest.environment,
      resource: {
        type: "Endpoint",
        id: endpoint,
        organisationId,
        ...rest,
        ...(rest.useCaseId === undefined ? {} : await findUseCasePath(sql, organisationId, rest.useCaseId)),
      },
    })),
  );
  return {
    members,
    keys,
    resources,
    revokedTokens: revoked.map((row) => row.subject),
    issuers: await listTrustedIssuers(sql, organisationId),
    epoch: await revocationEpoch(sql, organisationId),
    policies: (await findPolicySet(sql, organisationId)) ?? { version: 0, files: [] },
  };
}

/** What counts in one environment. */
function within(
  { members, keys, resources, policies }: Awaited<ReturnType<typeof load>>,
  organisationId: string,
  environment: Environment,
) {
  const principals = principalsOf(members, organisationId, environment);
  const active = new Set(principals.map(({ principal }) => principal.id));
  return {
    principals,
    policies,
    resources: resources.filter((entry) => entry.environment === environment),
    apiKeys: keys
      .filter((row) => row.environment === environment && active.has(row.principal_id))
      .map((row): GatewayApiKey => storedApiKey(row)),
  };
}

/** Disabled principals are left out: what the gateway does not know it refuses. */
async function loadMembers(sql: Sql, organisationId: string) {
  const db = identityTables(sql);
  const named = async (table: "identity.users" | "identity.service_accounts") =>
    db
      .selectFrom(table)
      .select("id")
      .where("organisation_id", "=", organisationId)
      .where("disabled_at", "is", null)
      .orderBy("id")
      .execute();
  const bindings = await listBindings(sql, organisationId);
  const subjects = await db
    .selectFrom("identity.external_subjects")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .orderBy("issuer")
    .orderBy("subject")
    .execute();
  const unitOf = await businessUnits(sql, organisationId);
  const users = await named("identity.users");
  const machines = await named("identity.service_accounts");
  return { bindings, subjects, unitOf, users, machines };
}

function principalsOf(
  { bindings, subjects, unitOf, users, machines }: Awaited<ReturnType<typeof loadMembers>>,
  organisationId: string,
  environment: Environment,
): LoadedPrincipal[] {
  const loaded = (kind: "user" | "service_account", id: string): LoadedPrincipal => ({
    principal: {
      id,
      kind,
      ...membershipOf(
        bindings.filter((row) => row.principal_id === id && row.environments.includes(environment)),
        unitOf,
      ),
      subjects: subjects
        .filter((row) => row.principal_id === id)
        .map(({ issuer, subject }) => ({ issuer, subject })),
    },
    facts: {
      kind,
      id,
      organisationId,
      environments: [environment],
      bindings: heldRoles(bindings.filter((row) => row.principal_id === id)),
    },
  });
  return [
    ...users.map(({ id }) => loaded("user", id)),
    ...machines.map(({ id }) => loaded("service_account", id)),
  ];
}

/** The business unit in which a scope lies. */
async function businessUnits(sql: Sql, organisationId: string): Promise<ReadonlyMap<string, string>> {
  const db = identityTables(sql);
  const within = async (table: "identity.teams" | "identity.use_cases") =>
    db
      .selectFrom(table)
      .select(["id", "business_unit_id"])
      .where("organisation_id", "=", organisationId)
      .execute();
  const units = await db
    .selectFrom("identity.business_units")
    .select("id")
    .where("organisation_id", "=", organisationId)
    .execute();
  const rows = [...(await within("identity.teams")), ...(await within("identity.use_cases"))];
  return new Map([
    ...units.map(({ id }) => [id, id] as const),
    ...rows.map((row) => [row.id, row.business_unit_id] as const),
  ]);
}

/** Where a principal belongs, for what is decided by that; nothing of one without a role. */
function membershipOf(
  bindings: readonly { readonly scope_id: string; readonly role: string }[],
  unitOf: ReadonlyMap<string, string>,
): Pick<GatewayPrincipal, "businessUnitId" | "roles" | "groups"> {
  if (bindings.length === 0) return {};
  const sorted = (texts: readonly string[]) => [...new Set(texts)].toSorted();
  return {
    ...homeOf(bindings, unitOf),
    roles: sorted(bindings.map(({ role }) => role)),
    groups: sorted(bindings.map((row) => row.scope_id)),
  };
}

/** Whose tenant a principal is: of the one unit that all its roles lie in, else of the organisation. */
function homeOf(
  bindings: readonly { readonly scope_id: string }[],
  unitOf: ReadonlyMap<string, string>,
): Pick<GatewayPrincipal, "businessUnitId"> {
  const units = new Set(bindings.map((row) => unitOf.get(row.scope_id)));
  const [unit] = units;
  return units.size === 1 && unit !== undefined ? { businessUnitId: unit } : {};
}

/** An issuer without good keys is left out of this snapshot; its tokens are refused until the next that has some. */
async function withKeys(
  issuer: TrustedIssuer,
  issuerKeys: Pick<IssuerKeys, "lastKnown"> | undefined,
): Promise<GatewayIssuer | undefined> {
  if (issuer.jwks) return { ...issuer, jwks: issuer.jwks };
  const known = await issuerKeys?.lastKnown(issuer);
  return known && { ...issuer, jwks: known.keys };
}
