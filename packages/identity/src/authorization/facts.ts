import type { EntityJson, TypeAndId } from "@cedar-policy/cedar-wasm/nodejs";
import type { Environment, ResourceRef } from "@portolan/kernel";
import { resourceTypes } from "../actions.ts";
import { type Role, roleNames } from "../roles.ts";
import { namespace } from "./schema.ts";

/** A role as held: in a scope with everything below, in these environments. */
export interface HeldRole {
  readonly role: Role;
  readonly scopeId: string;
  readonly environments: readonly Environment[];
}

/** What the policy set is told of a principal. */
export interface PrincipalFacts {
  readonly kind: "user" | "service_account" | "system";
  readonly id: string;
  readonly organisationId: string;
  /** Reach of the credential. */
  readonly environments: readonly Environment[];
  readonly scopes?: readonly string[];
  readonly bindings: readonly HeldRole[];
}

/** A resource with its whole chain of scopes. */
export type ResourceFacts = Omit<ResourceRef, "organisationId"> & { readonly organisationId: string };

const principalType = { user: "User", service_account: "ServiceAccount", system: "System" } as const;

export function principalUid(principal: PrincipalFacts): TypeAndId {
  return uid(principalType[principal.kind], principal.id);
}

export function resourceUid(resource: ResourceFacts): TypeAndId {
  const known = resourceTypes.find((type) => type === resource.type) ?? "Resource";
  return uid(known, resource.id ?? "any");
}

/** The entities that a decision needs: the principal, the resource, and the resource's chain of scopes. */
export function entitiesFor(principal: PrincipalFacts, resource: ResourceFacts): EntityJson[] {
  const chain = scopeChain(resource);
  const environment = resource.environment ?? anyEnvironment;
  return [
    principalEntity(principal),
    resourceEntity(resource, chain, environment),
    ...chainEntities("Scope", chain),
    ...chainEntities(
      "Place",
      chain.map((scope) => placeId(scope, environment)),
    ),
  ];
}

/** A resource that belongs to no environment is reached by a role held in any. */
const anyEnvironment = "any";

function principalEntity(principal: PrincipalFacts): EntityJson {
  const holds = Object.fromEntries(
    roleNames.map((role) => [role, placesOf(principal.bindings.filter((held) => held.role === role))]),
  );
  return {
    uid: principalUid(principal),
    attrs: {
      id: principal.id,
      organisation: { __entity: uid("Scope", principal.organisationId) },
      environments: [...principal.environments],
      holds,
    },
    parents: [],
  };
}

function placesOf(held: readonly HeldRole[]): { __entity: TypeAndId }[] {
  const ids = held.flatMap(({ scopeId, environments }) =>
    [...environments, anyEnvironment].map((name) => placeId(scopeId, name)),
  );
  return [...new Set(ids)].map((id) => ({ __entity: uid("Place", id) }));
}

function resourceEntity(resource: ResourceFacts, chain: readonly string[], environment: string): EntityJson {
  const nearest = chain[0] ?? resource.organisationId;
  const tags = Object.entries(resource.attributes ?? {}).map(([name, value]) => [name, String(value)]);
  return {
    uid: resourceUid(resource),
    attrs: {
      organisation: { __entity: uid("Scope", resource.organisationId) },
      ...(resource.environment === undefined ? {} : { environment: resource.environment }),
    },
    parents: [uid("Scope", nearest), uid("Place", placeId(nearest, environment))],
    ...(tags.length === 0 ? {} : { tags: Object.fromEntries(tags) }),
  };
}

/** From the nearest scope up to the organisation. */
function scopeChain(resource: ResourceFacts): string[] {
  return [resource.useCaseId, resource.teamId, resource.businessUnitId, resource.organisationId].filter(
    (id) => id !== undefined,
  );
}

function chainEntities(type: "Scope" | "Place", ids: readonly string[]): EntityJson[] {
  return ids.map((id, index) => {
    const parent = ids[index + 1];
    return { uid: uid(type, id), attrs: {}, parents: parent === undefined ? [] : [uid(type, parent)] };
  });
}

function placeId(scopeId: string, environment: string): string {
  return `${scopeId}/${environment}`;
}

function uid(type: string, id: string): TypeAndId {
  return { type: `${namespace}::${type}`, id };
}
