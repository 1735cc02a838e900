import {
  type CallContext,
  type Clock,
  digestJson,
  environments,
  type Id,
  type KeyRing,
  newId,
  type ObjectStore,
  type SigningKey,
  systemActor,
  type UnitOfWork,
} from "@portolan/kernel";
import type { Endpoint } from "../endpoint.ts";
import { noteExclusions } from "../gateways.ts";
import type { CharterInForce, GrantsSource, PublicKeys, ServedCharter } from "../ports.ts";
import { latestSnapshot, listEndpoints, type SnapshotRow, saveSnapshot } from "../store.ts";
import { buildParts, buildSnapshot, type SnapshotContent } from "./build-snapshot.ts";
import { fetchableOf, placedRoutes } from "./placed-parts.ts";
import { placementOf } from "./placement-of.ts";
import type { KeysPart, SnapshotTrust } from "./schema.ts";

export interface PublishDeps {
  readonly work: UnitOfWork;
  readonly clock: Clock;
  readonly objects: ObjectStore;
  readonly keyRing: KeyRing;
  readonly grants: GrantsSource;
  readonly keys: PublicKeys;
  readonly charters: CharterInForce;
  /** An unchanged snapshot is signed anew after this long, so that its age says that control is alive. */
  readonly refreshAfterMs: number;
  /** The largest age, and what gateways do beyond it. */
  readonly maxAgeMs: number | null;
  readonly beyondMaxAge: "serve" | "refuse";
}

export interface SnapshotPublisher {
  /** Publishes when something changed or the last one is old; otherwise gives the last one's version. Idempotent. */
  publish(organisationId: Id<"organisation">): Promise<number>;
  /** Resolves when a version above `after` exists, or after `waitMs`. */
  waitBeyond(organisationId: string, after: number, waitMs: number): Promise<void>;
  /** What a new gateway of the organisation pins. The key is made on first use, before any snapshot. */
  trust(organisationId: string): Promise<SnapshotTrust>;
}

/**
 * Makes snapshots: parts first (content-addressed, idempotent), then the signature, then one row. Two publishers at
 * once cannot fork: the row's key is the version, and the loser starts again.
 */
export function createSnapshotPublisher(deps: PublishDeps): SnapshotPublisher {
  const waiting = new Map<string, Set<() => void>>();
  const wake = (organisationId: string): void => {
    for (const resolve of waiting.get(organisationId) ?? []) resolve();
    waiting.delete(organisationId);
  };
  return {
    async trust(organisationId) {
      await deps.keyRing.current("snapshot");
      return { organisationId, keys: (await deps.keys.list("snapshot")).map(publicPart) };
    },
    async publish(organisationId) {
      for (;;) {
        const version = await tryPublish(deps, organisationId);
        if (version === undefined) continue;
        wake(organisationId);
        return version;
      }
    },
    async waitBeyond(organisationId, after, waitMs) {
      // Waiting starts before looking: a version published in between wakes it.
      const set = waiting.get(organisationId) ?? new Set();
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.set(organisationId, set.add(resolve));
      const timer = setTimeout(resolve, waitMs);
      try {
        const call = callOf(deps, organisationId as Id<"organisation">);
        const latest = await deps.work.read(call, (sql) => latestSnapshot(sql, organisationId));
        if (latest && latest.version > after) return;
        await promise;
      } finally {
        clearTimeout(timer);
        set.delete(resolve);
      }
    },
  };
}

async function tryPublish(
  deps: PublishDeps,
  organisationId: Id<"organisation">,
): Promise<number | undefined> {
  const call = callOf(deps, organisationId);
  const [latest, endpoints] = await deps.work.read(call, async (sql) => [
    await latestSnapshot(sql, organisationId),
    await listEndpoints(sql, organisationId),
  ]);
  const content = await contentOf(deps, organisationId, await governed(deps, call, endpoints));
  const contentDigest = digestJson([...buildParts(content).parts, content.maxAgeMs, content.beyondMaxAge]);
  const now = deps.clock.now();
  const isFresh = latest && now - latest.created_at < deps.refreshAfterMs * 1000;
  if (latest && isFresh && latest.content_digest === contentDigest) return latest.version;
  const key = await deps.keyRing.current("snapshot");
  const { signed, manifest, built } = await buildSnapshot(
    content,
    (latest?.version ?? 0) + 1,
    now,
    async (bytes) => ({
      keyId: key.id,
      signature: await deps.keyRing.sign(key.id, bytes),
    }),
  );
  for (const bytes of built.bytes.values()) await deps.objects.put(bytes);
  const row: SnapshotRow = {
    organisation_id: organisationId,
    version: manifest.version,
    content_digest: contentDigest,
    signed,
    manifest,
    fetchable: fetchableOf(manifest, content.routes),
    placed: placedRoutes(content.routes),
    created_at: now,
  };
  const saved = await deps.work.write(call, async (tx) => {
    if (!(await saveSnapshot(tx.sql, row))) return false;
    await noteExclusions(tx, row.placed);
    // A re-signed copy of the same content changes nothing for anybody and is no event.
    if (latest?.content_digest !== contentDigest) {
      await tx.record({
        event: "serving.snapshot.published",
        subject: `${organisationId}/${manifest.version}`,
        after: digestJson(manifest),
        detail: { version: manifest.version, routes: content.routes.length },
      });
    }
    return true;
  });
  return saved ? manifest.version : undefined;
}

/** Outside dev an endpoint is served only while a charter is in force for its use case: a withdrawn one takes it along. */
async function governed(
  deps: PublishDeps,
  call: CallContext,
  endpoints: readonly Endpoint[],
): Promise<Endpoint[]> {
  const inForce = new Map<string, ServedCharter | undefined>();
  const served: Endpoint[] = [];
  for (const endpoint of endpoints) {
    const { environment, useCaseId } = endpoint;
    if (!inForce.has(useCaseId)) {
      inForce.set(useCaseId, await deps.charters.inForce(call, useCaseId));
    }
    const charter = inForce.get(useCaseId);
    if (environment === "dev" || charter) served.push(placedBy(charter, endpoint));
  }
  return served;
}

/** Where it may be served is the word of the charter in force now, not of the one at the deployment. */
function placedBy(charter: ServedCharter | undefined, endpoint: Endpoint): Endpoint {
  if (!charter) return endpoint;
  return { ...endpoint, route: { ...endpoint.route, placement: placementOf(charter.document) } };
}

async function contentOf(
  deps: PublishDeps,
  organisationId: string,
  endpoints: readonly Endpoint[],
): Promise<SnapshotContent> {
  const granted = endpoints.map(({ name, environment, route }) => ({
    endpoint: name,
    environment,
    businessUnitId: route.businessUnitId,
    teamId: route.teamId,
    useCaseId: route.useCaseId,
  }));
  const grants = await Promise.all(
    environments.map(async (environment) => ({
      environment,
      grants: await deps.grants.read(
        organisationId,
        environment,
        granted.filter((one) => one.environment === environment),
      ),
    })),
  );
  const keys = [...(await deps.keys.list("model")), ...(await deps.keys.list("snapshot"))];
  return {
    organisationId,
    routes: endpoints.map((endpoint) => endpoint.route),
    grants,
    keys: keys.map(publicPart),
    maxAgeMs: deps.maxAgeMs,
    beyondMaxAge: deps.beyondMaxAge,
  };
}

/** The key without its holder, who is nobody's business at a gateway. */
function publicPart(key: SigningKey): KeysPart["keys"][number] {
  const { id, algorithm, publicKeyPem, validFrom, retiredAt, revokedAt } = key;
  return {
    id,
    purpose: key.purpose === "model" ? "model" : "snapshot",
    algorithm,
    publicKeyPem,
    validFrom,
    ...(retiredAt === undefined ? {} : { retiredAt }),
    ...(revokedAt === undefined ? {} : { revokedAt }),
  };
}

function callOf(deps: PublishDeps, organisationId: Id<"organisation">): CallContext {
  return {
    actor: systemActor("snapshot-publisher", organisationId),
    requestId: newId("request", deps.clock.now()),
  };
}
