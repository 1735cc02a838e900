import {
  type Authorizer,
  type CallContext,
  type Clock,
  PortolanError,
  type ResourceRef,
  requireSeen,
  type UnitOfWork,
} from "@portolan/kernel";
import type { RetrainingErrorCode } from "./errors.ts";
import type { Champion, Charters, Endpoints, Permits, Releases, RetrainingEnded, Runs } from "./ports.ts";
import { findRetraining, type StoredRetraining } from "./store.ts";

/** What people's calls need. */
export interface RetrainingDeps {
  readonly work: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly clock: Clock;
  readonly endpoints: Endpoints;
  readonly charters: Charters;
  readonly permits: Permits;
  readonly releases: Releases;
  readonly runs: Runs;
  readonly ended?: RetrainingEnded;
}

export type RetrainingAction =
  | "retraining:read"
  | "retraining:start"
  | "retraining:approve"
  | "retraining:set_policy";

/** An endpoint as rights are judged of it. */
export function endpointRef(
  call: CallContext,
  { endpoint, environment, businessUnitId, useCaseId, teamId }: Champion,
): ResourceRef {
  const { organisationId } = call.actor;
  const owner = { businessUnitId, useCaseId, ...(teamId === null ? {} : { teamId }) };
  return { type: "Endpoint", id: endpoint, organisationId, environment, ...owner };
}

/**
 * An endpoint that the caller may do this to.
 * @throws PortolanError `kernel.not_found` for one that does not exist or may not be seen, and what `Authorizer.require` throws
 */
export async function requireEndpoint(
  { authorizer, endpoints }: Pick<RetrainingDeps, "authorizer" | "endpoints">,
  call: CallContext,
  { endpoint, environment }: Pick<Champion, "endpoint" | "environment">,
  action: RetrainingAction,
): Promise<Champion> {
  const { organisationId } = call.actor;
  const found = await endpoints.find(call, environment, endpoint);
  const missing = (): PortolanError =>
    new PortolanError("kernel.not_found", {
      detail: `there is no endpoint ${endpoint} in ${environment}`,
      mend: "Deploy its first version: portolan endpoint deploy.",
    });
  const resource = found
    ? endpointRef(call, found)
    : { type: "Endpoint", id: endpoint, organisationId, environment };
  await requireSeen(authorizer, call, { action, resource }, missing);
  if (!found) throw missing();
  return found;
}

/**
 * A retraining that the caller may do this to.
 * @throws PortolanError `kernel.not_found` for one that does not exist or may not be seen, and what `Authorizer.require` throws
 */
export async function requireRetraining(
  { work, authorizer }: Pick<RetrainingDeps, "work" | "authorizer">,
  call: CallContext,
  id: string,
  action: RetrainingAction,
): Promise<StoredRetraining> {
  const missing = (): PortolanError =>
    new PortolanError("kernel.not_found", { detail: `there is no retraining ${id}` });
  const found = await work.read(call, (sql) => findRetraining(sql, call.actor.organisationId, id));
  if (!found) throw missing();
  await requireSeen(authorizer, call, { action, resource: endpointRef(call, found.champion) }, missing);
  return found;
}

export function refused(
  code: RetrainingErrorCode,
  detail: string,
  mend: string,
): PortolanError<RetrainingErrorCode> {
  return new PortolanError<RetrainingErrorCode>(code, { detail, mend });
}
