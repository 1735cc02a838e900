import {
  type Authorizer,
  type CallContext,
  type Decision,
  PortolanError,
  type ResourceRef,
  type Sql,
  type UnitOfWork,
} from "@portolan/kernel";
import { type AccessEpoch, EpochMemory } from "./access-epoch.ts";
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
  type ScopePath,
} from "./directory-store.ts";
import type { OnDenied } from "./ports.ts";
import type { Role } from "./roles.ts";
import { outsideCredential, trackingAction } from "./run-token-wall.ts";
import { findHomeOrganisation } from "./store.ts";

export interface AuthorizerDeps {
  readonly unitOfWork: UnitOfWork;
  readonly onDenied: OnDenied;
  /** The one that the authenticator has too; absent: everything is read at each question. */
  readonly accessEpoch?: AccessEpoch;
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
  const { groundsOf, couldAnywhere } = createGrounds(deps);

  async function prepare(call: CallContext, action: string, resource: ResourceRef) {
    const { engine, bindings, scopes, home } = await groundsOf(call, action, resource);
    const principal = factsOf(call, bindings);
    const facts = markHome({ ...resource, ...scopes }, home);
    const judge = (asked: string): Decision => {
      const reason = outsideCredential(call.actor.credential, asked, resource);
      return reason === undefined ? engine.decide(principal, asked, facts, call) : { allowed: false, reason };
    };
    return { judge, facts };
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

/** What a decision stands on, all of which moves the access epoch when it changes. */
interface Grounds {
  readonly engine: PolicyEngine;
  readonly bindings: readonly HeldRole[];
  /** The chain above what the resource names. */
  readonly scopes: ScopePath | undefined;
  /** The organisation that owns the installation, where the action is of the installation. */
  readonly home: { readonly organisationId: string | undefined } | undefined;
}

/** Reads what decisions stand on, and remembers it. */
function createGrounds(deps: AuthorizerDeps) {
  const engineOf = createEngines();
  const rememberGrounds = createMemory<Grounds>(deps.accessEpoch);
  const rememberAnywhere = createMemory<boolean>(deps.accessEpoch);

  /** Policies and roles of the caller, and what else of the resource the directory knows. */
  function groundsOf(call: CallContext, action: string, resource: ResourceRef): Promise<Grounds> {
    const { organisationId, useCaseId, teamId, businessUnitId } = resource;
    const { actor } = call;
    const of = [
      actor.organisationId,
      actor.kind,
      actor.id,
      action,
      organisationId,
      useCaseId,
      teamId,
      businessUnitId,
    ];
    return rememberGrounds(call, JSON.stringify(of), () =>
      deps.unitOfWork.read(call, async (sql) => ({
        engine: await engineOf(sql, actor.organisationId),
        bindings: await bindingsOf(sql, call),
        scopes: await scopesOf(sql, resource),
        home: await homeOf(sql, action),
      })),
    );
  }

  function couldAnywhere(call: CallContext, action: string): Promise<boolean> {
    const { organisationId, kind, id, environments, scopes } = call.actor;
    const of = [organisationId, kind, id, environments, scopes, call.purpose, call.onBehalfOf, action];
    return rememberAnywhere(call, JSON.stringify(of), () =>
      deps.unitOfWork.read(call, async (sql) => {
        const engine = await engineOf(sql, organisationId);
        const principal = factsOf(call, await bindingsOf(sql, call));
        const home = await homeOf(sql, action);
        return probes(call, principal).some(
          (resource) => engine.decide(principal, action, markHome(resource, home), call).allowed,
        );
      }),
    );
  }
  return { groundsOf, couldAnywhere };
}

/** Answers of one kind that are kept at most. */
const mostKept = 10_000;

/** Answers the same question again from memory, as long as the access epoch stands at which it was asked. */
function createMemory<Value>(epochs: AccessEpoch | undefined) {
  const memory = new EpochMemory<Value>(mostKept);
  return async (call: CallContext, key: string, read: () => Promise<Value>): Promise<Value> => {
    if (epochs === undefined) return read();
    const epoch = await epochs.of(call.actor);
    const known = memory.get(epoch, key);
    if (known !== undefined) return known;
    const value = await read();
    memory.set(epoch, key, value);
    return value;
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
    facts: { ...resource, ...(await scopesOf(sql, resource)) },
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
async function scopesOf(sql: Sql, resource: ResourceRef): Promise<ScopePath | undefined> {
  const { organisationId, useCaseId, teamId, businessUnitId } = resource;
  return (
    (useCaseId === undefined ? undefined : await findUseCasePath(sql, organisationId, useCaseId)) ??
    (teamId === undefined ? undefined : await findTeamPath(sql, organisationId, teamId)) ??
    (businessUnitId === undefined
      ? undefined
      : await findBusinessUnitPath(sql, organisationId, businessUnitId))
  );
}

/** Who owns the installation is read here and never taken from a caller. */
async function homeOf(sql: Sql, action: string): Promise<Grounds["home"]> {
  const known = parseAction(action);
  if (known === undefined || !isOfInstallation(known)) return undefined;
  return { organisationId: (await findHomeOrganisation(sql))?.id };
}

function markHome(resource: ResourceFacts, home: Grounds["home"]): ResourceFacts {
  if (home === undefined) return resource;
  return {
    ...resource,
    attributes: { ...resource.attributes, home: home.organisationId === resource.organisationId },
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
