import { GatewayGrantsPart } from "@portolan/identity/contract";
import {
  canonicalJson,
  digestBytes,
  type Environment,
  type Logger,
  messageOf,
  type Place,
  type SigningKey,
} from "@portolan/kernel";
import type { Route, SnapshotManifest, SnapshotPart } from "@portolan/serving/contract";
import {
  isSupplement,
  type PartVerdict,
  partReader,
  readKeysPart,
  readRoutesPart,
  readSupplement,
  type Supplement,
  supplementsOf,
  withSupplements,
} from "@portolan/serving/policy";
import { ControlAway, type ControlClient } from "../control-client.ts";
import type { DiskCache } from "./disk-cache.ts";
import { isForHere } from "./placement-guard.ts";
import { type GrantsIndex, indexGrants, keyOf } from "./serving-state.ts";
import type { Trust } from "./trust.ts";

/** What the small parts of a snapshot say; models are apart. */
export interface Parts {
  readonly keys: Trust["keys"];
  readonly grants: ReadonlyMap<Environment, GrantsIndex>;
  /** By environment and placement, as the snapshot groups them, with what is known of their models. */
  readonly routes: ReadonlyMap<string, readonly Route[]>;
  /** Parts that could not be had and for which the snapshot before still speaks. */
  readonly missing: readonly string[];
  /** Why the last of them could not be had. */
  readonly reason?: string;
  /** Every part is on disk: a restart needs no control. */
  readonly isStored: boolean;
}

export interface ReadPartsDeps {
  readonly cache: DiskCache;
  readonly control: ControlClient;
  readonly environments: readonly Environment[];
  /** Where this gateway stands; parts for other places are not asked for. */
  readonly place: Place;
  readonly log: Logger;
}

/**
 * Reads a verified manifest's parts. One that cannot be had does not keep back what the others take away: its
 * predecessor stands in until it comes.
 *
 * @throws ControlAway when a part is missing that has no predecessor
 */
export async function readParts(
  deps: ReadPartsDeps,
  manifest: SnapshotManifest,
  before: Parts | undefined,
): Promise<Parts> {
  const missing: string[] = [];
  let reason: string | undefined;
  let isStored = true;
  async function part<T>(
    one: SnapshotPart | undefined,
    read: (bytes: Uint8Array, part: SnapshotPart) => PartVerdict<T>,
    predecessor: T | undefined,
  ): Promise<T> {
    try {
      if (!one) throw new ControlAway("the snapshot lacks a part");
      const { bytes, stored } = await partBytes(deps, one);
      isStored &&= stored;
      const reading = read(bytes, one);
      if (reading.kind === "bad") throw new ControlAway(reading.detail);
      return reading.value;
    } catch (error) {
      if (predecessor === undefined) throw error;
      missing.push(one ? `${one.kind} ${one.environment ?? ""}`.trim() : "?");
      reason = messageOf(error);
      return predecessor;
    }
  }
  const keysPart = manifest.parts.find((one) => one.kind === "keys");
  const keys = await part(keysPart, readKeysPart, before && { keys: before.keys });
  const grants = new Map<Environment, GrantsIndex>();
  const routes = new Map<string, readonly Route[]>();
  for (const one of manifest.parts) {
    const { environment } = one;
    if (!environment || !deps.environments.includes(environment) || !isForHere(one, deps.place)) continue;
    if (one.kind === "identity")
      grants.set(environment, await part(one, readGrants, before?.grants.get(environment)));
    else if (one.kind === "routes") {
      const group = groupOf(one);
      // Routes that moved to another place have no predecessor there: until their part comes, they are not served.
      const known = before && { routes: [...(before.routes.get(group) ?? [])] };
      const content = await part(one, readRoutesPart, known);
      routes.set(group, [...(routes.get(group) ?? []), ...content.routes]);
    }
  }
  const supplements = await readSupplements(deps, manifest, before);
  for (const [group, known] of routes) routes.set(group, withSupplements(known, supplements));
  return { keys: keys.keys, grants, routes, missing, isStored, ...(reason === undefined ? {} : { reason }) };
}

/** Nothing waits for them: where one cannot be had, what was known before goes on; other models are estimated, and not shown to be where they are. */
async function readSupplements(
  deps: ReadPartsDeps,
  manifest: SnapshotManifest,
  before: Parts | undefined,
): Promise<Supplement[]> {
  const supplements: Supplement[] = [];
  for (const part of manifest.parts) {
    if (!isSupplement(part) || !isForHere(part, deps.place)) continue;
    try {
      const reading = readSupplement((await partBytes(deps, part)).bytes, part);
      if (reading.kind === "bad") throw new ControlAway(reading.detail);
      supplements.push(reading.value);
    } catch (error) {
      deps.log.warn({ reason: messageOf(error) }, "gateway.snapshot.supplement_not_read");
      supplements.unshift(...supplementsOf([...(before?.routes.values() ?? [])].flat()));
    }
  }
  return supplements;
}

function groupOf({ environment, placement }: SnapshotPart): string {
  return `${environment ?? ""} ${placement ? canonicalJson(placement) : ""}`;
}

/** One route per endpoint, also while an old part still speaks for a new one. */
export function uniqueRoutes(parts: Parts): Route[] {
  return [...new Map([...parts.routes.values()].flat().map((route) => [keyOf(route), route])).values()];
}

const readGrantsPart = partReader(GatewayGrantsPart);

function readGrants(bytes: Uint8Array, part: SnapshotPart): PartVerdict<GrantsIndex> {
  const reading = readGrantsPart(bytes, part);
  return reading.kind === "bad" ? reading : { kind: "part", value: indexGrants(reading.value) };
}

/** A disk that takes no more must not keep a revocation back: what was verified counts without being stored. */
async function partBytes(
  { cache, control, log }: ReadPartsDeps,
  part: SnapshotPart,
): Promise<{ readonly bytes: Uint8Array; readonly stored: boolean }> {
  const cached = await cache.read(part.digest);
  if (cached.kind === "found") return { bytes: cached.bytes, stored: true };
  const bytes = await control.part(part.digest);
  if (digestBytes(bytes) !== part.digest)
    throw new ControlAway(`control sent other bytes than the ${part.kind} part ${part.digest}`);
  try {
    cache.write(part.digest, bytes);
    return { bytes, stored: true };
  } catch (error) {
    log.error({ reason: messageOf(error) }, "gateway.snapshot.part_not_stored");
    return { bytes, stored: false };
  }
}

export function modelKeys(parts: Parts): SigningKey[] {
  return parts.keys;
}
