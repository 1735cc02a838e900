import {
  asPlace,
  type CallContext,
  type Clock,
  type Digest,
  digestJson,
  type EnvironmentPlace,
  type ResourceRef,
} from "@portolan/kernel";
import type { PolicyDeps } from "./access-policies.ts";
import { policiesInForce } from "./access-store.ts";
import type { AccessDecision } from "./decide-access.ts";
import { decideRows } from "./decide-rows.ts";
import type { DerivedRows, NamedRows, PolicedRows } from "./policed-rows.ts";
import { contractVersions, datasetRows } from "./rows-store.ts";

/** Which roles a caller holds where data lie. Implemented by `identity`. */
export interface HeldRoles {
  heldAmong(call: CallContext, roles: readonly string[], at: EnvironmentPlace): Promise<string[]>;
}

export interface AccessDeps extends PolicyDeps {
  readonly clock: Clock;
  readonly roles: HeldRoles;
  /** Training sets, scored snapshots, feature logs: each kind of rows that is made of datasets. */
  readonly derived: readonly DerivedRows[];
}

/** Rows by the id of a dataset, or of what was made of datasets. */
export function findRows(deps: AccessDeps, call: CallContext, id: string): Promise<PolicedRows | undefined> {
  const { organisationId } = call.actor;
  return deps.uow.read(call, async (sql) => {
    const dataset = await datasetRows(sql, organisationId, id, { expired: false });
    if (dataset) return dataset;
    for (const kind of deps.derived) {
      const found = await kind.find(sql, organisationId, id);
      if (found) return found;
    }
    return undefined;
  });
}

/** The permission without which no policy is asked. */
export function readsRows(
  call: CallContext,
  { id, at }: Pick<PolicedRows, "id" | "at">,
): { readonly action: string; readonly resource: ResourceRef } {
  const { organisationId } = call.actor;
  const resource = { type: "Dataset", id, organisationId, environment: at.environment, ...asPlace(at) };
  return { action: "data:read_rows", resource };
}

/** What the policies in force say of the caller, the rows and the purpose. */
export async function accessTo(
  deps: AccessDeps,
  call: CallContext,
  rows: NamedRows,
  purpose: string,
): Promise<{ readonly decision: AccessDecision; readonly policyDigest: Digest }> {
  const { decide, policyDigest } = await accessFor(deps, call, rows);
  return { decision: decide(purpose), policyDigest };
}

/**
 * What the policies in force say of several rows of one place, all at one moment. A contract is governed as soon as any policy of the organisation
 * that is in force could reach it in that environment, whoever it is about, whatever for, and even if it has expired: what was allowed until then is not
 * free afterwards.
 */
export async function accessToAll(
  deps: AccessDeps,
  call: CallContext,
  rows: readonly NamedRows[],
  { purpose, at }: { readonly purpose: string; readonly at: EnvironmentPlace },
): Promise<{
  readonly decisions: readonly { readonly isGoverned: boolean; readonly decision: AccessDecision }[];
  readonly policyDigest: Digest;
}> {
  const contracts = [...new Set(rows.flatMap((one) => one.contracts))];
  const { policies, versions, asker } = await askedBy(deps, call, contracts, at);
  const bodies = policies.map(({ body }) => body);
  return {
    decisions: rows.map((one) => ({
      isGoverned: one.contracts.some((contract) =>
        bodies.some(
          (body) =>
            (body.contracts?.includes(contract) ?? true) &&
            (body.environments?.includes(at.environment) ?? true),
        ),
      ),
      decision: decideRows({ ...asker, purpose }, one, versions, bodies),
    })),
    policyDigest: digestPolicies(policies),
  };
}

/** The same for any purpose, and the purposes that some policy allows something for. */
export async function accessFor(
  deps: AccessDeps,
  call: CallContext,
  rows: NamedRows,
): Promise<{
  readonly decide: (purpose: string) => AccessDecision;
  readonly purposes: ReadonlySet<string>;
  readonly policyDigest: Digest;
}> {
  const { policies, versions, asker } = await askedBy(deps, call, rows.contracts, rows.at);
  const bodies = policies.map(({ body }) => body);
  const allowing = bodies.filter(({ effect }) => effect === "allow");
  return {
    decide: (purpose) => decideRows({ ...asker, purpose }, rows, versions, bodies),
    purposes: new Set(allowing.flatMap(({ purposes }) => purposes ?? [])),
    policyDigest: digestPolicies(policies),
  };
}

/** Policies in force, versions of the contracts, and who asks at that place. */
async function askedBy(
  deps: AccessDeps,
  call: CallContext,
  contracts: readonly string[],
  at: EnvironmentPlace,
) {
  const { organisationId } = call.actor;
  const { policies, versions } = await deps.uow.read(call, async (sql) => ({
    policies: await policiesInForce(sql, organisationId),
    versions: await contractVersions(sql, organisationId, contracts),
  }));
  const named = [...new Set(policies.flatMap(({ body }) => body.roles ?? []))];
  const asker = {
    principal: call.actor.id,
    roles: await deps.roles.heldAmong(call, named, at),
    environment: at.environment,
    now: deps.clock.now(),
  };
  return { policies, versions, asker };
}

/** The address of what all policies in force say together. */
export function digestPolicies(
  policies: readonly { readonly name: string; readonly digest: string }[],
): Digest {
  return digestJson(policies.map(({ name, digest }) => ({ name, digest })));
}
