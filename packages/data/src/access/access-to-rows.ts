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
  const { organisationId } = call.actor;
  const { policies, versions } = await deps.uow.read(call, async (sql) => ({
    policies: await policiesInForce(sql, organisationId),
    versions: await contractVersions(sql, organisationId, rows.contracts),
  }));
  const named = [...new Set(policies.flatMap(({ body }) => body.roles ?? []))];
  const asker = {
    principal: call.actor.id,
    roles: await deps.roles.heldAmong(call, named, rows.at),
    environment: rows.at.environment,
    now: deps.clock.now(),
  };
  const bodies = policies.map(({ body }) => body);
  const allowing = bodies.filter(({ effect }) => effect === "allow");
  return {
    decide: (purpose) => decideRows({ ...asker, purpose }, rows, versions, bodies),
    purposes: new Set(allowing.flatMap(({ purposes }) => purposes ?? [])),
    policyDigest: digestPolicies(policies),
  };
}

/** The address of what all policies in force say together. */
export function digestPolicies(
  policies: readonly { readonly name: string; readonly digest: string }[],
): Digest {
  return digestJson(policies.map(({ name, digest }) => ({ name, digest })));
}
