import {
  type CallContext,
  digestJson,
  type Id,
  type KeyRing,
  type Logger,
  newId,
  type ObjectStore,
  type SigningKey,
  systemActor,
  type Transaction,
  type UnitOfWork,
} from "@portolan/kernel";
import { withFlags } from "../flags/with-flags.ts";
import { noteExclusions } from "../gateways.ts";
import type {
  AttestationLookup,
  FlagLookup,
  GrantsSource,
  MemoryLookup,
  ProfileLookup,
  PublicKeys,
} from "../ports.ts";
import {
  changeOf,
  isPeoplesStop,
  markOf,
  type Served,
  type ServedDeps,
  servedRoutes,
} from "../served-routes.ts";
import { latestSnapshot, listDeployed, markServed, type SnapshotRow, saveSnapshot } from "../store.ts";
import { buildParts, buildSnapshot, type SnapshotContent } from "./build-snapshot.ts";
import { type FindPartRefusal, findEnvelopeRefusal, partRefusals } from "./fitting-parts.ts";
import { type FittingRoutes, keepFitting, type LastGood, publishedRoutes } from "./fitting-routes.ts";
import { fetchableOf, placedRoutes } from "./placed-parts.ts";
import { type PartRefusal, partUnfit, RefusalBook } from "./refusals.ts";
import type { KeysPart, Route, SnapshotTrust } from "./schema.ts";
import { withAttestations } from "./with-attestations.ts";
import { withMeasurements } from "./with-measurements.ts";

export interface PublishDeps extends ServedDeps {
  readonly work: UnitOfWork;
  readonly objects: ObjectStore;
  readonly keyRing: KeyRing;
  readonly grants: GrantsSource;
  readonly profiles: ProfileLookup;
  readonly memory: MemoryLookup;
  readonly attestations: AttestationLookup;
  readonly flags: FlagLookup;
  readonly keys: PublicKeys;
  readonly log: Logger;
  /** An unchanged snapshot is signed anew after this long, so that its age says that control is alive. */
  readonly refreshAfterMs: number;
}

export interface SnapshotPublisher {
  /**
   * Publishes when something changed or the last one is old; otherwise gives the last one's version. Idempotent.
   *
   * @throws PortolanError `serving.part_unfit` when gateways could not read a part as a whole: nothing is signed, and
   * the last snapshot stays
   */
  publish(organisationId: Id<"organisation">): Promise<number>;
  /** What is kept out of snapshots now, as of the last time each was published. */
  refusals(): readonly { readonly organisationId: string; readonly refusal: PartRefusal }[];
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
  const refused = new RefusalBook(deps.log);
  const publishing = { ...deps, refused, findPartRefusal: partRefusals(deps.grants.shape) };
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
        const version = await tryPublish(publishing, organisationId);
        if (version === undefined) continue;
        wake(organisationId);
        return version;
      }
    },
    refusals: () => refused.list(),
    async waitBeyond(organisationId, after, waitMs) {
      // Waiting starts before looking: a version published in between wakes it.
      const set = waiting.get(organisationId) ?? new Set();
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.set(organisationId, set.add(resolve));
      const timer = setTimeout(resolve, waitMs);
      try {
        const call = callOf(deps, organisationId as Id<"organisation">);
        const latest = await deps.work.look(call, (sql) => latestSnapshot(sql, organisationId));
        if (latest && latest.version > after) return;
        await promise;
      } finally {
        clearTimeout(timer);
        set.delete(resolve);
      }
    },
  };
}

interface Publishing extends PublishDeps {
  readonly refused: RefusalBook;
  readonly findPartRefusal: FindPartRefusal;
}

async function tryPublish(deps: Publishing, organisationId: Id<"organisation">): Promise<number | undefined> {
  const call = callOf(deps, organisationId);
  // First of all: where it is only made now, it must be among the keys below, and no older than what it signs.
  const key = await deps.keyRing.current("snapshot");
  const [latest, deployed] = await deps.work.read(call, async (sql) => [
    await latestSnapshot(sql, organisationId),
    await listDeployed(sql, organisationId),
  ]);
  const served = await servedRoutes(deps, call, deployed);
  const fitting = await fittingRoutes(deps, call, latest, served);
  const content = await contentOf(deps, organisationId, fitting.routes, stoppedByPeople(served));
  const built = buildParts(content);
  requireFitting(deps, organisationId, fitting, deps.findPartRefusal(organisationId, built));
  const contentDigest = digestJson([...built.parts]);
  const now = deps.clock.now();
  const isFresh = latest && now - latest.created_at < deps.refreshAfterMs * 1000;
  if (latest && isFresh && latest.content_digest === contentDigest) return latest.version;
  const sign = async (bytes: Uint8Array) => ({
    keyId: key.id,
    signature: await deps.keyRing.sign(key.id, bytes),
  });
  const { signed, manifest } = await buildSnapshot(content, (latest?.version ?? 0) + 1, now, sign);
  requireFitting(deps, organisationId, fitting, findEnvelopeRefusal(signed));
  for (const bytes of built.bytes.values()) await deps.objects.put(bytes);
  const row: SnapshotRow = {
    organisation_id: organisationId,
    version: manifest.version,
    content_digest: contentDigest,
    signed,
    manifest,
    fetchable: fetchableOf(manifest, fitting.routes),
    placed: placedRoutes(fitting.routes),
    created_at: now,
  };
  const isNews = latest?.content_digest !== contentDigest;
  const saved = await deps.work.write(call, (tx) => save(tx, row, fitting, isNews));
  return saved ? manifest.version : undefined;
}

/** False when another publisher took the version. */
async function save(
  tx: Transaction,
  row: SnapshotRow,
  { routes, served }: FittingRoutes,
  isNews: boolean,
): Promise<boolean> {
  const carried = served.map(({ deployed }) => deployed.deploymentId);
  if (!(await saveSnapshot(tx.sql, row, carried))) return false;
  await noteExclusions(tx, row.placed);
  // A re-signed copy of the same content changes nothing for anybody and is no event.
  if (isNews)
    await tx.record({
      event: "serving.snapshot.published",
      subject: `${row.organisation_id}/${row.version}`,
      after: digestJson(row.manifest),
      detail: { version: row.version, routes: routes.length },
    });
  await recordChanges(tx, served);
  return true;
}

async function fittingRoutes(
  { objects, ...deps }: PublishDeps,
  call: CallContext,
  latest: SnapshotRow | undefined,
  served: readonly Served[],
): Promise<FittingRoutes> {
  const deployed = served.flatMap((one) => (one.kind === "route" ? [one.route] : []));
  const measured = await withMeasurements(deps, call, deployed);
  const routes = await withFlags(deps, call, await withAttestations(deps, call, measured));
  let last: ReturnType<LastGood> | undefined;
  const lastGood: LastGood = () => {
    last ??= latest ? publishedRoutes(objects, latest.manifest) : Promise.resolve(new Map());
    return last;
  };
  return keepFitting(served, new Map(routes.map((route) => [route.endpointId, route])), lastGood);
}

/** @throws PortolanError `serving.part_unfit` when the snapshot as a whole cannot be published */
function requireFitting(
  { refused }: Publishing,
  organisationId: string,
  { refusals }: FittingRoutes,
  whole: PartRefusal | undefined,
): void {
  refused.note(organisationId, whole ? [...refusals, whole] : refusals);
  if (whole) throw partUnfit(whole);
}

/** Nobody deployed anything, and yet a route changed: a charter did it, and the ledger says so. */
async function recordChanges(tx: Transaction, served: readonly Served[]): Promise<void> {
  for (const one of served) {
    const mark = markOf(one);
    const before = one.deployed.served;
    const change = changeOf(before, one);
    if (change) await tx.record(change);
    if (!before || digestJson({ ...before }) !== digestJson({ ...mark }))
      await markServed(tx.sql, one.deployed.endpointId, mark);
  }
}

/** Who may call them stays in the snapshot: gateways tell those, and nobody else, that they exist and are not served. */
function stoppedByPeople(served: readonly Served[]): Route[] {
  return served.flatMap((one) =>
    one.kind === "stopped" && isPeoplesStop(one.stop) ? [one.deployed.route] : [],
  );
}

async function contentOf(
  deps: PublishDeps,
  organisationId: string,
  routes: readonly Route[],
  stopped: readonly Route[],
): Promise<SnapshotContent> {
  const granted = [...routes, ...stopped].map(
    ({ endpoint, environment, businessUnitId, teamId, useCaseId, features }) => ({
      endpoint,
      environment,
      businessUnitId,
      teamId,
      useCaseId,
      views: (features?.views ?? []).map(({ name, digest }) => ({
        name,
        digest,
        features: (features?.columns ?? []).flatMap(({ from }) =>
          from.kind === "feature" && from.view === name ? [from.feature] : [],
        ),
      })),
    }),
  );
  const grants = await deps.grants.read(organisationId, granted);
  const keys = [...(await deps.keys.list("model")), ...(await deps.keys.list("snapshot"))];
  return {
    organisationId,
    routes,
    grants,
    keys: keys.map(publicPart),
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
