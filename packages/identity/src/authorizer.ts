import {
  type Authorizer,
  type CallContext,
  type Decision,
  PortolanError,
  type ResourceRef,
  type Sql,
  type UnitOfWork,
} from "@portolan/kernel";
import { actions, isOfInstallation, parseAction, reachOf } from "./actions.ts";
import type { HeldRole, PrincipalFacts, ResourceFacts } from "./authorization/facts.ts";
import { createPolicyEngine, type PolicyEngine } from "./authorization/policy-engine.ts";
import { rememberDecisions } from "./authorization/remember-decisions.ts";
import { deniedCaller } from "./denied-caller.ts";
import {
  findBusinessUnitPath,
  findPolicySet,
  findTeamPath,
  findUseCasePath,
  heldRoles,
  listBindings,
} from "./directory-store.ts";
import type { OnDenied } from "./ports.ts";
import type { Role } from "./roles.ts";
import { outsideCredential, trackingAction } from "./run-token-wall.ts";
import { findHomeOrganisation } from "./store.ts";

export interface AuthorizerDeps {
  readonly unitOfWork: UnitOfWork;
  readonly onDenied: OnDenied;
}

export interface IdentityAuthorizer extends Authorizer {
  /** The roles that the caller holds at a resource, in its environment. For rules about who must sign. */
  rolesAt(call: CallContext, resource: ResourceRef): Promise<Role[]>;
  /**
   * Whether the caller could do the action anywhere at all: the coarse check of a route, before its use case asks about
   * the very resource.
   */
  couldEver(call: CallContext, action: string): Promise<boolean>;
}

/** Decides by the built-in policies and those of the caller's organisation, over the roles in the database. */
export function createAuthorizer(deps: AuthorizerDeps): IdentityAuthorizer {
  const engineOf = createEngines();

  async function prepare(call: CallContext, action: string, resource: ResourceRef) {
    const { engine, principal, facts } = await deps.unitOfWork.read(call, async (sql) => ({
      engine: await engineOf(sql, call.actor.organisationId),
      principal: factsOf(call, await bindingsOf(sql, call)),
      facts: await markHome(sql, action, await completeScopes(sql, resource)),
    }));
    const judge = (asked: string): Decision => {
      const reason = outsideCredential(call.actor.credential, asked, resource);
      return reason === undefined ? engine.decide(principal, asked, facts, call) : { allowed: false, reason };
    };
    return { judge, facts };
  }

  function couldAnywhere(call: CallContext, action: string): Promise<boolean> {
    return deps.unitOfWork.read(call, async (sql) => {
      const engine = await engineOf(sql, call.actor.organisationId);
      const principal = factsOf(call, await bindingsOf(sql, call));
      for (const resource of probes(call, principal)) {
        const facts = await markHome(sql, action, resource);
        if (engine.decide(principal, action, facts, call).allowed) return true;
      }
      return false;
    });
  }

  return {
    decide: async (call, action, resource) => (await prepare(call, action, resource)).judge(action),
    async require(call, action, resource) {
      const { judge, facts } = await prepare(call, action, resource);
      const decision = judge(action);
      if (decision.allowed) return;
      const seen = isSeen(action, facts, (seenBy) => judge(seenBy).allowed);
      await deps.onDenied({
        kind: seen ? "forbidden" : "hidden",
        reason: decision.reason,
        requestId: call.requestId,
        action,
        resource,
        ...deniedCaller(call),
      });
      throw seen ? forbidden(action, resource.type) : new PortolanError("kernel.not_found");
    },
    rolesAt: (call, resource) => rolesAt(deps, call, resource),
    couldEver: async (call, action) => {
      const { credential } = call.actor;
      if (outsideCredential(credential, action) !== undefined) return false;
      // There is one place that it could ever be, and the use case asks about that.
      return credential?.kind === "run_token" || couldAnywhere(call, action);
    },
  };
}

/** The policies of each organisation, parsed anew when they have changed. */
function createEngines(): (sql: Sql, organisationId: string) => Promise<PolicyEngine> {
  const engines = new Map<string, { version: number; engine: PolicyEngine }>();
  return async (sql, organisationId) => {
    const set = await findPolicySet(sql, organisationId);
    const known = engines.get(organisationId);
    if (known && known.version === (set?.version ?? 0)) return known.engine;
    const engine = rememberDecisions(createPolicyEngine(`organisation/${organisationId}`, set?.files ?? []));
    engines.set(organisationId, { version: set?.version ?? 0, engine });
    return engine;
  };
}

function factsOf({ actor }: CallContext, bindings: readonly HeldRole[]): PrincipalFacts {
  const { kind, id, organisationId, environments, scopes } = actor;
  return { kind, id, organisationId, environments, bindings, ...(scopes === undefined ? {} : { scopes }) };
}

/** Whether the caller may know of the resource: the answer to what may not be done is then 403, else the 404 of a missing one. */
function isSeen(action: string, resource: ResourceFacts, allows: (action: string) => boolean): boolean {
  if (resource.id === undefined) return true;
  const known = parseAction(action);
  if (known === undefined) return false;
  // Who asks of one thing and names no environment found none: it does not exist, whatever else the caller may see.
  if (reachOf(known) === "one" && resource.environment === undefined) return false;
  const { seenBy } = actions[known];
  return seenBy !== action && allows(seenBy);
}

async function rolesAt(deps: AuthorizerDeps, call: CallContext, resource: ResourceRef): Promise<Role[]> {
  const { bindings, facts } = await deps.unitOfWork.read(call, async (sql) => ({
    bindings: await bindingsOf(sql, call),
    facts: await completeScopes(sql, resource),
  }));
  const scopes = [facts.organisationId, facts.businessUnitId, facts.teamId, facts.useCaseId];
  const held = bindings.filter(
    ({ scopeId, environments }) =>
      scopes.includes(scopeId) &&
      (facts.environment === undefined || environments.includes(facts.environment)),
  );
  return [...new Set(held.map(({ role }) => role))];
}

/** 403 in one wording for all domains. */
export function forbidden(action: string, resourceType?: string): PortolanError {
  return new PortolanError("identity.forbidden", {
    detail: `${action} is not allowed here with this credential`,
    mend:
      action === trackingAction && resourceType === "TrainingRun"
        ? "Only the trainer of a run logs to it, with the token that it was given."
        : "Ask a platform admin or team lead for a role that allows it; docs/policies.md says which do.",
  });
}

async function bindingsOf(sql: Sql, call: CallContext): Promise<HeldRole[]> {
  if (call.actor.kind === "system") return [];
  return heldRoles(await listBindings(sql, call.actor.organisationId, call.actor.id));
}

/** Callers name the nearest scope they know, by id or name; the chain above it comes from the directory. */
async function completeScopes(sql: Sql, resource: ResourceRef): Promise<ResourceFacts> {
  const { organisationId, useCaseId, teamId, businessUnitId } = resource;
  const path =
    (useCaseId === undefined ? undefined : await findUseCasePath(sql, organisationId, useCaseId)) ??
    (teamId === undefined ? undefined : await findTeamPath(sql, organisationId, teamId)) ??
    (businessUnitId === undefined
      ? undefined
      : await findBusinessUnitPath(sql, organisationId, businessUnitId));
  return path ? { ...resource, ...path } : resource;
}

/** Who owns the installation is read here and never taken from a caller. */
async function markHome(sql: Sql, action: string, resource: ResourceFacts): Promise<ResourceFacts> {
  const known = parseAction(action);
  if (known === undefined || !isOfInstallation(known)) return resource;
  const home = await findHomeOrganisation(sql);
  return {
    ...resource,
    attributes: { ...resource.attributes, home: home?.id === resource.organisationId },
  };
}

/** One imagined resource per scope and environment that the caller holds a role in, and the caller itself. */
function probes(call: CallContext, principal: PrincipalFacts): ResourceFacts[] {
  const organisationId = call.actor.organisationId;
  const own: ResourceFacts = { type: "Principal", organisationId, attributes: { holder: call.actor.id } };
  const everywhere = call.actor.environments.map((environment) => ({ ...own, environment }));
  const held = principal.bindings.flatMap(({ scopeId, environments }) => {
    const scope = scopeId.startsWith("org_") ? {} : { useCaseId: scopeId };
    const anywhere: ResourceFacts = { type: "Resource", organisationId, ...scope };
    return [
      anywhere,
      ...environments.flatMap((environment) => [
        { ...anywhere, environment },
        // Giving a role is judged by the role given.
        { ...anywhere, environment, type: "RoleBinding", attributes: { role: "data_scientist" } },
      ]),
    ];
  });
  return [own, ...everywhere, ...held, { type: "Resource", organisationId }];
}
