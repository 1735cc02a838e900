import { mkdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  asEpochMicros,
  digestBytes,
  formatInstant,
  isMissingFile,
  isPortolanError,
  microsPerDay,
  PortolanError,
  systemClock,
} from "@portolan/kernel";
import type { Route, SignedSnapshot, SnapshotManifest, SnapshotPart } from "@portolan/serving/contract";
import {
  fetchableOf,
  isSupplement,
  mayServe,
  readRoutesPart,
  readSupplement,
  type Supplement,
  withSupplements,
} from "@portolan/serving/policy";
import { ApiClient } from "../client/api-client.ts";
import { findOrCreate } from "../client/directory.ts";
import type { CliErrorCode } from "../errors.ts";
import { bundleFiles, type EdgeSettings, objectPath } from "./edge-bundle.ts";

export interface BundleOrder {
  /** Where the bundle goes; must not exist. */
  readonly folder: string;
  readonly gateway: string;
  readonly environment: string;
  /** Empty: every endpoint that may be served there. */
  readonly endpoints: readonly string[];
  readonly region: string;
  readonly owner: string;
  /** Address of control as the device sees it. */
  readonly controlUrl: string;
  readonly keyDays: number;
}

export interface MadeBundle extends EdgeSettings {
  readonly sizeBytes: number;
  /** Endpoints that stay behind, and why. */
  readonly leftOut: readonly { readonly endpoint: string; readonly reason: string }[];
}

/**
 * Everything that one gateway needs to serve without control: what it would fetch at its first start, and a key of its own to
 * deliver its log with. Control judges by the declared place what the device may have.
 * @param onProgress share of the objects that are here, 0 to 1
 */
export async function makeBundle(
  api: ApiClient,
  order: BundleOrder,
  onProgress: (share: number, note: string) => void,
): Promise<MadeBundle> {
  await refuseExisting(order.folder);
  const { id, text, account } = await deviceKey(api, order);
  // By whoever makes the bundle, not by the device: what is declared about it is not the device's to change, and its key is good for no other.
  const { gateway, region, owner } = order;
  await api.json({ method: "PUT", path: `/v1/gateways/${gateway}`, body: { region, owner, account } });
  try {
    return await againWhileItMoves(() => fillBundle(text, api.url, order, onProgress));
  } catch (error) {
    // Nobody has the key: it must not wait for somebody who finds it.
    const body = { reason: "its edge bundle was not made" };
    await api.json({ path: `/v1/api-keys/${id}/revoke`, body }).catch(() => undefined);
    throw error;
  }
}

const moves = 5;
const pauseMs = 500;

/** A snapshot that is followed by another gives its parts out no more: the device's own key brings one about. */
async function againWhileItMoves<T>(work: () => Promise<T>): Promise<T> {
  for (let move = 1; ; move++) {
    try {
      return await work();
    } catch (error) {
      if (!isPortolanError(error) || error.code !== "serving.part_not_found" || move === moves) throw error;
      await sleep(pauseMs);
    }
  }
}

type FetchPart = (digest: string) => Promise<Uint8Array>;

async function fillBundle(
  key: string,
  url: string,
  order: BundleOrder,
  onProgress: (share: number, note: string) => void,
): Promise<MadeBundle> {
  const device = new ApiClient({ url, token: key });
  const { gateway, region, owner } = order;
  const stated = new URLSearchParams({ gateway, region, owner }).toString();
  const trust = await device.json<unknown>({ path: "/v1/snapshots/trust" });
  const signed = await device.json<SignedSnapshot>({ path: `/v1/snapshots/latest?${stated}` });
  // The device's gateway verifies it at every start.
  const manifest = JSON.parse(Buffer.from(signed.payload, "base64").toString()) as SnapshotManifest;
  const fetchPart: FetchPart = async (digest) => {
    const bytes = await device.bytes({ path: `/v1/snapshots/parts/${digest}?${stated}` });
    if (digestBytes(bytes) === digest) return bytes;
    throw new PortolanError<CliErrorCode>("cli.unexpected_answer", {
      detail: `the server sent other bytes than those of ${digest}`,
    });
  };
  const parts = new Map<string, Uint8Array>();
  for (const part of manifest.parts.filter((one) => isWanted(one, order)))
    parts.set(part.digest, await fetchPart(part.digest));
  const { routes, leftOut } = chosenRoutes(manifest, parts, order);
  const models = new Set(fetchableOf({ ...manifest, parts: [] }, routes).map(({ digest }) => digest));

  const partial = `${order.folder}.partial`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { mode: 0o700 });
  const fromParts: FetchPart = async (digest) => parts.get(digest) ?? fetchPart(digest);
  const objects = [...parts.keys(), ...models].toSorted();
  const sizeBytes = await writeObjects(partial, objects, fromParts, onProgress);
  const settings = settingsOf(order, manifest, routes, objects);
  const write = (name: string, text: string): Promise<void> =>
    writeFile(join(partial, name), `${text}\n`, { mode: 0o600 });
  await write(bundleFiles.trust, JSON.stringify(trust));
  await write(bundleFiles.snapshot, JSON.stringify(signed));
  await write(bundleFiles.key, key);
  await write(bundleFiles.settings, JSON.stringify(settings, null, 2));
  await rename(partial, order.folder);
  return { ...settings, sizeBytes, leftOut };
}

/** Resolves to their size in bytes. */
async function writeObjects(
  folder: string,
  digests: readonly string[],
  bytesOf: FetchPart,
  onProgress: (share: number, note: string) => void,
): Promise<number> {
  await mkdir(join(folder, bundleFiles.objects), { mode: 0o700 });
  let size = 0;
  for (const [at, digest] of digests.entries()) {
    const bytes = await bytesOf(digest);
    await writeFile(objectPath(folder, digest), bytes, { mode: 0o600 });
    size += bytes.length;
    onProgress((at + 1) / digests.length, digest.slice(0, 20));
  }
  return size;
}

function settingsOf(
  { gateway, environment, region, owner, controlUrl, keyDays }: BundleOrder,
  { version }: SnapshotManifest,
  routes: readonly Route[],
  objects: readonly string[],
): EdgeSettings {
  const now = systemClock.now();
  return {
    format: 1,
    gateway,
    environment,
    endpoints: routes.map(({ endpoint }) => endpoint).toSorted(),
    region,
    owner,
    controlUrl,
    snapshotVersion: version,
    createdAt: formatInstant(now),
    keyExpiresAt: formatInstant(asEpochMicros(now + keyDays * microsPerDay)),
    maximumAgeMs: shortestAge(routes),
    objects: [...objects],
  };
}

async function refuseExisting(folder: string): Promise<void> {
  try {
    await stat(folder);
  } catch (error) {
    if (isMissingFile(error)) return;
    throw error;
  }
  throw new PortolanError<CliErrorCode>("cli.bad_file", {
    detail: `${folder} exists`,
    mend: "Name a folder that does not exist yet.",
  });
}

/** Name of a device's service account. */
export function accountOf(gateway: string): string {
  return `gateway-${gateway}`;
}

/** A service account per device, so that one that is lost is shut out alone. */
async function deviceKey(
  api: ApiClient,
  order: BundleOrder,
): Promise<{ readonly id: string; readonly text: string; readonly account: string }> {
  const { environment, gateway, keyDays } = order;
  const name = accountOf(gateway);
  const account = await findOrCreate(api, "/v1/service-accounts", {
    name,
    displayName: `Gateway ${gateway}`,
  });
  const { items } = await api.json<{ items: readonly { readonly id: string }[] }>({
    path: "/v1/organisations",
  });
  await api.json({
    path: "/v1/role-bindings",
    body: {
      principal: account.id,
      role: "gateway",
      scope: { kind: "organisation", id: items[0]?.id },
      environments: [environment],
    },
  });
  const { apiKey, text } = await api.json<{ apiKey: { readonly id: string }; text: string }>({
    path: "/v1/api-keys",
    body: { principal: account.id, name, environment, expiresInDays: keyDays },
  });
  return { id: apiKey.id, text, account: account.id };
}

function isWanted(part: SnapshotPart, order: BundleOrder): boolean {
  if (part.kind === "keys") return true;
  const isAsked = part.environment === order.environment || isSupplement(part);
  return isAsked && mayServe(part.placement, order);
}

function chosenRoutes(
  manifest: SnapshotManifest,
  parts: ReadonlyMap<string, Uint8Array>,
  order: BundleOrder,
): { readonly routes: readonly Route[]; readonly leftOut: MadeBundle["leftOut"] } {
  const offered: Route[] = [];
  const supplements: Supplement[] = [];
  for (const part of manifest.parts) {
    const bytes = part.kind === "routes" ? parts.get(part.digest) : undefined;
    if (!bytes) continue;
    if (isSupplement(part)) {
      const reading = readSupplement(bytes, part);
      if (reading.kind === "part") supplements.push(reading.value);
    } else {
      const reading = readRoutesPart(bytes, part);
      if (reading.kind === "part") offered.push(...reading.value.routes);
    }
  }
  const missing = order.endpoints.find((name) => !offered.some(({ endpoint }) => endpoint === name));
  if (missing !== undefined)
    throw new PortolanError<CliErrorCode>("cli.bad_usage", {
      detail: `no endpoint "${missing}" may be served in ${order.environment} by ${order.owner} in ${order.region}`,
      mend: "See the endpoints with: portolan endpoint list; a charter may keep one from going there.",
    });
  const asked = withSupplements(offered, supplements).filter(
    ({ endpoint }) => order.endpoints.length === 0 || order.endpoints.includes(endpoint),
  );
  const leftOut: { endpoint: string; reason: string }[] = [];
  const routes = asked.filter((route) => {
    const isFed = [route.features, ...route.variants.map(({ features }) => features)].some(
      (plan) => plan !== null,
    );
    if (isFed) leftOut.push({ endpoint: route.endpoint, reason: "it reads features from the online store" });
    return !isFed;
  });
  if (routes.length > 0) return { routes, leftOut };
  throw new PortolanError<CliErrorCode>("cli.bad_usage", {
    detail: `nothing is left to serve${leftOut.map(({ endpoint, reason }) => `; ${endpoint}: ${reason}`).join("")}`,
    mend: "Deploy an endpoint whose requests carry all of the model's inputs.",
  });
}

/** Where a charter bounds the age of what a gateway stands on, a device that is away for longer refuses. */
function shortestAge(routes: readonly Route[]): number | null {
  const bounds = routes.flatMap(({ snapshotAge }) =>
    snapshotAge?.beyond === "refuse" ? [snapshotAge.maximumMs] : [],
  );
  return bounds.length === 0 ? null : Math.min(...bounds);
}
