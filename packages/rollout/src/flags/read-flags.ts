import { type CallContext, type Environment, PortolanError, requireSeen, type Sql } from "@portolan/kernel";
import type { Flag } from "@portolan/serving/contract";
import type { Endpoints, ReleasedEndpoint } from "../ports.ts";
import { endpointRef, ownerOf, type RolloutDeps } from "../start-release.ts";
import type { FlagView } from "./contract.ts";
import { listFlags, listWaiting, type StoredChange, type StoredFlag } from "./flag-store.ts";

type ReadDeps = Pick<RolloutDeps, "work" | "authorizer"> & { readonly endpoints: Pick<Endpoints, "find"> };

/** The flags of an endpoint that the caller may see, in force and waiting, by environment and key. */
export async function readFlags(deps: ReadDeps, call: CallContext, endpoint: string): Promise<FlagView[]> {
  const { organisationId } = call.actor;
  const { flags, waiting } = await deps.work.read(call, async (sql) => ({
    flags: await listFlags(sql, organisationId, endpoint),
    waiting: await listWaiting(sql, organisationId, endpoint),
  }));
  const places = new Map(
    [...flags, ...waiting].map((one) => [`${one.environment} ${one.key}`, one] as const),
  );
  const mayRead = new Map<Environment, boolean>();
  const views: FlagView[] = [];
  for (const { environment, key } of places.values()) {
    const allowed = mayRead.get(environment) ?? (await maySee(deps, call, environment, endpoint));
    mayRead.set(environment, allowed);
    if (!allowed) continue;
    const isOwn = (one: StoredFlag | StoredChange) => one.environment === environment && one.key === key;
    views.push(viewOf({ environment, endpoint, key }, flags.find(isOwn), waiting.find(isOwn)));
  }
  return views;
}

async function maySee(
  { authorizer, endpoints }: ReadDeps,
  call: CallContext,
  environment: Environment,
  endpoint: string,
): Promise<boolean> {
  const found = await endpoints.find(call, environment, endpoint);
  const resource = { ...endpointRef(call, endpoint, found && ownerOf(found)), environment };
  return (await authorizer.decide(call, "serving:read", resource)).allowed;
}

/**
 * An endpoint at whose flags the caller may do this.
 *
 * @throws PortolanError `kernel.not_found` for one that does not exist or may not be seen, and what `Authorizer.require` throws
 */
export async function requireFlagged(
  { authorizer, endpoints }: Pick<ReadDeps, "authorizer" | "endpoints">,
  call: CallContext,
  { environment, endpoint }: { readonly environment: Environment; readonly endpoint: string },
  action: "serving:deploy" | "rollout:approve",
): Promise<ReleasedEndpoint> {
  const missing = (): PortolanError =>
    new PortolanError("kernel.not_found", {
      detail: `there is no endpoint ${endpoint} in ${environment}`,
      mend: "List endpoints with: portolan endpoint list",
    });
  const found = await endpoints.find(call, environment, endpoint);
  const resource = { ...endpointRef(call, endpoint, found && ownerOf(found)), environment };
  await requireSeen(authorizer, call, { action, resource }, missing);
  if (!found) throw missing();
  return found;
}

/** A flag as the API shows it. Pure. */
export function viewOf(
  { environment, endpoint, key }: Pick<FlagView, "environment" | "endpoint" | "key">,
  flag: StoredFlag | undefined,
  waiting: StoredChange | undefined,
): FlagView {
  return {
    endpoint,
    environment,
    key,
    version: flag?.version ?? 0,
    inForce: flag?.definition ?? null,
    setBy: flag?.setBy ?? null,
    setAt: flag?.setAt ?? null,
    waiting: waiting
      ? {
          id: waiting.id,
          flag: waiting.definition,
          reason: waiting.reason,
          requestedBy: waiting.requestedBy,
          requestedAt: waiting.requestedAt,
          approvals: {
            needed: waiting.approvalsNeeded,
            given: waiting.approvals.map((one) => ({ ...one })),
          },
        }
      : null,
  };
}

/** Flags in force as gateways evaluate them, by `environment/endpoint`. */
export async function flagsInForce(
  sql: Sql,
  organisationId: string,
): Promise<ReadonlyMap<string, readonly Flag[]>> {
  const byEndpoint = new Map<string, Flag[]>();
  for (const { environment, endpoint, key, id, definition } of await listFlags(sql, organisationId)) {
    const { description: _, ...evaluated } = definition;
    const place = `${environment}/${endpoint}`;
    byEndpoint.set(place, [...(byEndpoint.get(place) ?? []), { key, seed: id, ...evaluated }]);
  }
  return byEndpoint;
}
