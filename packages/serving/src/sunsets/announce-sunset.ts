import {
  type Authorizer,
  asEpochMicros,
  type CallContext,
  type Clock,
  type Environment,
  formatInstant,
  newId,
  PortolanError,
  parseInstant,
  type Sql,
  type UnitOfWork,
} from "@portolan/kernel";
import { publishIntent } from "../deploy-endpoint.ts";
import type { ServingErrorCode } from "../errors.ts";
import { requireEndpoint } from "../require-endpoint.ts";
import type { ModelReference, Route } from "../snapshot/schema.ts";
import type { Sunset, SunsetRequest, SunsetWithdrawal } from "./contract.ts";
import { findSunset, saveSunset, withdrawSunset } from "./sunset-store.ts";

export interface SunsetDeps {
  readonly clock: Clock;
  readonly work: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly releases: ReleasesUnderWay;
}

/** What is being released; `rollout` knows. */
export interface ReleasesUnderWay {
  /** The version that a release is bringing to an endpoint, and the release; undefined where none is under way. */
  candidateAt(
    sql: Sql,
    at: { readonly organisationId: string; readonly environment: Environment; readonly endpoint: string },
  ): Promise<(Pick<ModelReference, "name" | "version"> & { readonly releaseId: string }) | undefined>;
}

/**
 * Announces when an endpoint, or one of its versions, ends. From the next snapshot on each of its answers says so; from that moment on it is left out of
 * snapshots, and so is the endpoint where that version is its own.
 *
 * @throws PortolanError `serving.endpoint_missing`, `kernel.bad_request` for a version that the endpoint does not have, `serving.version_under_release`, `serving.sunset_announced`, `kernel.bad_request` when that moment is past, and what `Authorizer.require` throws
 */
export async function announceSunset(
  deps: SunsetDeps,
  call: CallContext,
  name: string,
  { environment, endsAt: stated, reason, successor, version }: SunsetRequest,
): Promise<Sunset> {
  const endpoint = await requireEndpoint(deps, call, "serving:deploy", name, environment);
  const { organisationId, id: announcedBy } = call.actor;
  const endsAt = readMoment(stated);
  const ending = version === undefined ? undefined : versionOf(endpoint.route, name, version);
  return deps.work.write(call, async (tx) => {
    if (endsAt <= tx.now) throw notAhead(stated);
    const at = { organisationId, environment, endpoint: name };
    if (ending) await requireNotReleased(tx.sql, deps.releases, at, ending);
    const announced = { reason, announced_at: tx.now, announced_by: announcedBy, ends_at: endsAt };
    const row = {
      ...announced,
      id: newId("sunset", tx.now),
      organisation_id: organisationId,
      endpoint_id: endpoint.id,
      successor: successor ?? null,
      model: ending?.name ?? null,
      version: ending?.version ?? null,
    };
    if (!(await saveSunset(tx.sql, row)))
      throw new PortolanError<ServingErrorCode>("serving.sunset_announced", {
        detail: `The end of ${named(name, version)} is announced already.`,
        mend: "See it with portolan endpoint list, and take it back first: portolan endpoint sunset NAME --withdraw --reason …",
      });
    await tx.record({
      event: "serving.endpoint.sunset_announced",
      subject: endpoint.id,
      detail: {
        endpoint: name,
        environment,
        endsAt: formatInstant(asEpochMicros(endsAt)),
        successor: successor ?? null,
        ...(ending ? { model: ending.name, version: ending.version } : {}),
        reason,
      },
    });
    await tx.intend(publishIntent, { organisationId });
    return {
      endpoint: name,
      environment,
      reason,
      announcedAt: tx.now,
      announcedBy,
      endsAt,
      ...(version === undefined ? {} : { version }),
      ...(successor === undefined ? {} : { successor }),
    };
  });
}

/** Who is told that a version ends must not be brought to it at the same time. */
async function requireNotReleased(
  sql: Sql,
  releases: ReleasesUnderWay,
  at: Parameters<ReleasesUnderWay["candidateAt"]>[1],
  { name, version }: ModelReference,
): Promise<void> {
  const candidate = await releases.candidateAt(sql, at);
  if (candidate?.name !== name || candidate.version !== version) return;
  throw new PortolanError<ServingErrorCode>("serving.version_under_release", {
    detail: `The release ${candidate.releaseId} is bringing ${name}/${version} to ${at.endpoint}.`,
    mend: `Wait for its end, or end it: portolan release rollback ${at.endpoint} --environment ${at.environment}`,
  });
}

function named(endpoint: string, version: number | undefined): string {
  return version === undefined ? endpoint : `version ${version} of ${endpoint}`;
}

/** As requests name versions: the endpoint's own, and its variants; of equal numbers the first. */
function versionOf({ model, variants }: Route, endpoint: string, version: number): ModelReference {
  const all = [model, ...variants.map((one) => one.model)];
  const found = all.find((one) => one.version === version);
  if (found) return found;
  throw new PortolanError("kernel.bad_request", {
    detail: `${endpoint} has no version ${version}: it serves ${[...new Set(all.map((one) => one.version))].join(", ")}`,
    mend: "Name one that it serves.",
    violations: [{ detail: "not served at this endpoint", at: { pointer: "/version" } }],
  });
}

/**
 * Takes an announced end back; one that has come is undone.
 *
 * @throws PortolanError `serving.endpoint_missing`, `serving.no_sunset`, and what `Authorizer.require` throws
 */
export async function takeSunsetBack(
  deps: SunsetDeps,
  call: CallContext,
  name: string,
  { environment, reason, version }: SunsetWithdrawal,
): Promise<Sunset> {
  const endpoint = await requireEndpoint(deps, call, "serving:deploy", name, environment);
  const { organisationId, id: by } = call.actor;
  const announced = await deps.work.read(call, (sql) => findSunset(sql, endpoint.id, version));
  // What has ended answers again: whoever may do that lets halted endpoints go on, too.
  if (announced && announced.ends_at <= deps.clock.now())
    await requireEndpoint(deps, call, "serving:resume", name, environment);
  return deps.work.write(call, async (tx) => {
    const row = await withdrawSunset(tx.sql, endpoint.id, version, { at: tx.now, by, because: reason });
    if (!row)
      throw new PortolanError<ServingErrorCode>("serving.no_sunset", {
        detail: `No end of ${named(name, version)} is announced.`,
        mend: "List endpoints with: portolan endpoint list",
      });
    await tx.record({
      event: "serving.endpoint.sunset_withdrawn",
      subject: endpoint.id,
      detail: {
        endpoint: name,
        environment,
        endsAt: formatInstant(asEpochMicros(row.ends_at)),
        ...(row.model === null || row.version === null ? {} : { model: row.model, version: row.version }),
        reason,
      },
    });
    await tx.intend(publishIntent, { organisationId });
    return {
      endpoint: name,
      environment,
      reason: row.reason,
      announcedAt: row.announced_at,
      announcedBy: row.announced_by,
      endsAt: row.ends_at,
      ...(row.version === null ? {} : { version: row.version }),
      ...(row.successor === null ? {} : { successor: row.successor }),
    };
  });
}

function readMoment(text: string): number {
  try {
    return parseInstant(text);
  } catch {
    throw new PortolanError("kernel.bad_request", {
      detail: `"${text}" is no instant`,
      mend: "Write it as 2027-03-01T00:00:00Z.",
      violations: [{ detail: "not an instant", at: { pointer: "/endsAt" } }],
    });
  }
}

function notAhead(stated: string): PortolanError {
  return new PortolanError("kernel.bad_request", {
    detail: `${stated} is past`,
    mend: "Name a moment in the future; to stop the endpoint at once: portolan endpoint halt",
    violations: [{ detail: "is past", at: { pointer: "/endsAt" } }],
  });
}
