import type { PredictionHeader } from "@portolan/predictions/contract";
import { type ArmCounts, noCounts } from "./judge-guards.ts";
import type { ReleasePlan } from "./plan.ts";

/** Whose records are counted, and what is late. */
export interface CountedRelease {
  readonly endpoint: string;
  readonly environment: string;
  readonly candidate: { readonly model: string; readonly version: number };
  readonly champion: { readonly model: string; readonly version: number };
  /** Null: no answer is late. */
  readonly slowMs: number | null;
}

type Version = CountedRelease["candidate"];
type StoredPlace = Pick<CountedRelease, "endpoint" | "environment" | "champion"> &
  Version & { readonly plan: Pick<ReleasePlan, "slowMs"> };

/** What is counted of a stored release. */
export function countedOf({
  model,
  version,
  plan,
  endpoint,
  environment,
  champion,
}: StoredPlace): CountedRelease {
  return { endpoint, environment, candidate: { model, version }, champion, slowMs: plan.slowMs };
}

/** Counts of one arm under one snapshot. */
export interface CountedArm extends ArmCounts {
  readonly snapshotVersion: number;
  readonly arm: "candidate" | "control";
}

/**
 * What the records of a block say of a release, by arm and by the snapshot that they were answered from. A request is counted for the version
 * that was to answer it, whoever did: what a fallback answers is the failure of the version before it. Refused requests reached no version, but
 * for those that lacked its features or found it busy; replays are no cases of their own, and whoever names a version is no part of a share. Pure.
 */
export function countRecords(
  headers: readonly PredictionHeader[],
  release: CountedRelease,
): readonly CountedArm[] {
  const counted = new Map<string, CountedArm>();
  for (const header of headers) {
    const arm = armOf(header, release);
    if (arm === undefined) continue;
    const { snapshotVersion } = header.context;
    const key = `${snapshotVersion} ${arm}`;
    const before = counted.get(key) ?? { ...noCounts, snapshotVersion, arm };
    const requests = requestsOf(header);
    counted.set(key, {
      ...before,
      requests: before.requests + requests,
      errors: before.errors + (isError(header) ? requests : 0),
      slow: before.slow + (isSlow(header, release.slowMs) ? requests : 0),
      fallbacks: before.fallbacks + (isFallback(header) ? requests : 0),
    });
  }
  return [...counted.values()];
}

/** The arm of what a version answered itself; undefined for what somebody else did in its place, and of shadows. */
export function ownArmOf(header: PredictionHeader, release: CountedRelease): CountedArm["arm"] | undefined {
  const { model, variant } = header.context;
  const arm = armOf(header, release);
  if (variant === "champion") return isOf(model, release.champion) ? arm : undefined;
  return variant === "canary" && isOf(model, release.candidate) ? arm : undefined;
}

function armOf(
  header: PredictionHeader,
  { endpoint, environment, candidate, champion }: CountedRelease,
): CountedArm["arm"] | undefined {
  const { context } = header;
  if (context.endpoint !== endpoint || context.environment !== environment || !isCase(header))
    return undefined;
  // Asked first of those that are no variant: also in another place, or while its own bytes are not here, it is the champion's request.
  if (context.variant === "champion") return "control";
  const asked = context.insteadOf ?? context.model;
  if (isOf(asked, candidate)) return "candidate";
  // Rules and constants of an endpoint without a release beside it name no version: they stand for its own.
  return asked === undefined || isOf(asked, champion) ? "control" : undefined;
}

/** A request that reached a version, and is one of its own. */
function isCase({ status, replayOf, namesVersion, flag }: PredictionHeader): boolean {
  // Whoever names a version, or is sent to it by a flag, adds to it beyond its share, and evidence is measured by shares.
  if (replayOf !== undefined || namesVersion === true || flag !== undefined) return false;
  // A copy that never had its turn says that the machine was busy.
  if (status.kind === "error") return status.reason !== "shadow overloaded";
  return status.kind === "ok" || isOwnRefusal(status);
}

function isOf(
  asked: { readonly name: string; readonly version: string } | undefined,
  { model, version }: CountedRelease["candidate"],
): boolean {
  return asked?.name === model && asked.version === String(version);
}

const ownRefusals: ReadonlySet<string> = new Set([
  "serving.features_unavailable",
  "serving.overloaded",
  "serving.model_unavailable",
]);

/**
 * Refused for want of features, because its circuit is open, or because more waited than could be answered: the features that a version reads are its own, and so is how long its
 * answers take. Where the machine is busy, both versions have their part of that.
 */
function isOwnRefusal(status: PredictionHeader["status"]): boolean {
  return status.kind === "refused" && ownRefusals.has(status.reason);
}

/** Of a flood of refusals one record stands for many. */
function requestsOf({ status }: PredictionHeader): number {
  return status.kind === "refused" ? status.count : 1;
}

/** A request's own fault is no error of a version. */
function isError({ status }: PredictionHeader): boolean {
  return isOwnRefusal(status) || (status.kind === "error" && status.httpStatus >= 500);
}

function isSlow({ latency }: PredictionHeader, slowMs: number | null): boolean {
  return slowMs !== null && latency.totalMicros > slowMs * 1000;
}

function isFallback({ context }: PredictionHeader): boolean {
  return context.variant === "fallback";
}
