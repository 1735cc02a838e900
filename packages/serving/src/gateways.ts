import {
  type Authorizer,
  type CallContext,
  digestJson,
  environmentsAllowing,
  type Place,
  PortolanError,
  type Transaction,
  type UnitOfWork,
} from "@portolan/kernel";
import type { Gateway, GatewayDeclaration } from "./endpoint.ts";
import type { ServingErrorCode } from "./errors.ts";
import {
  findGateway,
  findGatewayOf,
  keepAccount,
  listGateways,
  saveExclusions,
  saveGateway,
} from "./gateway-store.ts";
import { excludedRoutes, type PlacedRoute } from "./snapshot/placed-parts.ts";
import { latestSnapshot } from "./store.ts";

export interface GatewayDeps {
  readonly work: UnitOfWork;
  readonly authorizer: Authorizer;
}

/**
 * A gateway says where it stands and who owns the machine; what it is given depends on it. The same word again
 * changes nothing, another one is a row on the ledger.
 */
export async function declareGateway(
  deps: GatewayDeps,
  call: CallContext,
  name: string,
  { region, owner, account: named }: GatewayDeclaration,
): Promise<Gateway> {
  const { organisationId } = call.actor;
  const resource = { type: "Gateway", organisationId };
  const served = await environmentsAllowing(deps.authorizer, call, "serving:declare_gateway", resource);
  const known = await deps.work.read(call, (sql) => findGateway(sql, organisationId, name));
  const account = named ?? known?.account;
  const isSame = known?.region === region && known.owner === owner && known.account === account;
  const own = await requireOwn(deps, call, { name, isSame });
  if (own) return own;
  if (account !== known?.account) {
    const everywhere = { ...resource, environment: "production" } as const;
    await deps.authorizer.require(call, "identity:manage", everywhere);
  }
  // What another gateway gets depends on its declaration: that of one in production is not changed from below, and a gateway
  // changes none that somebody else made.
  const isAnothers = known !== undefined && known.declaredBy !== call.actor.id;
  if (isAnothers && (!served.includes("production") || (!isSame && call.actor.kind === "service_account"))) {
    const production = { ...resource, environment: "production" } as const;
    const action = served.includes("production") ? "identity:manage" : "serving:declare_gateway";
    await deps.authorizer.require(call, action, production);
  }
  return deps.work.write(call, async (tx) => {
    const before = await findGateway(tx.sql, organisationId, name);
    if (before?.region === region && before.owner === owner && before.account === account) return before;
    if (account !== undefined) await keepToOne(tx, account, name);
    const bound = account === undefined ? {} : { account };
    const stated = { region, owner, ...bound };
    const declared = { name, ...stated, declaredAt: tx.now, declaredBy: call.actor.id, excluded: [] };
    await saveGateway(tx.sql, organisationId, declared);
    await tx.record({
      event: "serving.gateway.declared",
      subject: name,
      ...(before ? { before: digestJson(placeOf(before)) } : {}),
      after: digestJson(stated),
      detail: stated,
    });
    const latest = await latestSnapshot(tx.sql, organisationId);
    return { ...declared, excluded: await noteFor(tx, declared, latest?.placed ?? []) };
  });
}

/** @throws PortolanError `serving.gateway_not_own` for an account that is kept to another gateway */
async function keepToOne({ sql, call }: Transaction, account: string, name: string): Promise<void> {
  const { organisationId } = call.actor;
  await keepAccount(sql, organisationId, account, name);
  const kept = await findGatewayOf(sql, organisationId, account);
  // A gateway that is declared in this very transaction has no row yet.
  if (!kept || kept.name === name) return;
  throw new PortolanError<ServingErrorCode>("serving.gateway_not_own", {
    detail: `the account is kept to gateway ${kept.name}`,
    mend: "Make a service account for each gateway (portolan edge bundle does).",
  });
}

/** What of a declaration counts. */
function placeOf({ region, owner, account }: Gateway) {
  return account === undefined ? { region, owner } : { region, owner, account };
}

/**
 * An account that is kept to one gateway repeats what was declared of that one, and declares nothing else: whoever takes the key out of
 * a device is no more than that device.
 * @returns that gateway; `undefined` for accounts that are kept to none
 * @throws PortolanError `serving.gateway_not_own`
 */
async function requireOwn(
  { work }: GatewayDeps,
  call: CallContext,
  { name, isSame }: { readonly name: string; readonly isSame: boolean },
): Promise<Gateway | undefined> {
  const { organisationId, id } = call.actor;
  const own = await work.read(call, (sql) => findGatewayOf(sql, organisationId, id));
  // An account that another one has followed speaks for nobody any more.
  if (!own || (own.name === name && isSame && own.account === id)) return own;
  throw new PortolanError<ServingErrorCode>("serving.gateway_not_own", {
    detail: `this account may speak for gateway ${own.name} alone, at the place that was declared for it`,
    mend: "Let an administrator declare where the gateway stands now (portolan edge bundle).",
  });
}

/** Gateways of the caller's organisation, and what each of them is not given. */
export async function readGateways(deps: GatewayDeps, call: CallContext): Promise<Gateway[]> {
  const { organisationId } = call.actor;
  await environmentsAllowing(deps.authorizer, call, "serving:read", { type: "Gateway", organisationId });
  return deps.work.read(call, (sql) => listGateways(sql, organisationId));
}

/**
 * The place that a pull is answered for. What it states must be what was declared, for the declaration is what the
 * ledger holds.
 *
 * @throws PortolanError `serving.gateway_not_declared`, `serving.gateway_not_own`
 */
export async function requireDeclared(
  deps: GatewayDeps,
  call: CallContext,
  stated: Place & { readonly gateway: string },
): Promise<Place> {
  const { organisationId } = call.actor;
  await requireOwn(deps, call, { name: stated.gateway, isSame: true });
  const declared = await deps.work.read(call, (sql) => findGateway(sql, organisationId, stated.gateway));
  if (declared?.region === stated.region && declared.owner === stated.owner) return declared;
  throw new PortolanError<ServingErrorCode>("serving.gateway_not_declared", {
    detail: `no gateway ${stated.gateway} has declared that it stands in ${stated.region} on a machine of ${stated.owner}`,
    mend: `Declare it with PUT /v1/gateways/${stated.gateway}.`,
  });
}

/** In the transaction of a new snapshot: what it keeps from which gateway, one ledger row per change. */
export async function noteExclusions(tx: Transaction, placed: readonly PlacedRoute[]): Promise<void> {
  for (const gateway of await listGateways(tx.sql, tx.call.actor.organisationId))
    await noteFor(tx, gateway, placed);
}

async function noteFor(tx: Transaction, gateway: Gateway, placed: readonly PlacedRoute[]): Promise<string[]> {
  const excluded = excludedRoutes(placed, gateway);
  const { name, region, owner } = gateway;
  if (excluded.join() === gateway.excluded.join()) return excluded;
  await saveExclusions(tx.sql, tx.call.actor.organisationId, name, excluded);
  await tx.record({
    event: excluded.length > 0 ? "serving.gateway.routes_refused" : "serving.gateway.routes_allowed",
    subject: name,
    before: digestJson(gateway.excluded),
    after: digestJson(excluded),
    // A few name the trouble; the digest stands for all.
    detail: { region, owner, refused: excluded.length, routes: excluded.slice(0, 20) },
  });
  return excluded;
}
