import { routeConfig } from "@portolan/http-contract";
import {
  type Authorizer,
  type CallContext,
  type Environment,
  environmentsAllowing,
  type ObjectStore,
  PortolanError,
  parseDigest,
  type UnitOfWork,
} from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { GatewayDeclaration, GatewayName } from "../endpoint.ts";
import type { ServingErrorCode } from "../errors.ts";
import { requireDeclared } from "../gateways.ts";
import { mayFetch } from "../snapshot/placed-parts.ts";
import type { SnapshotPublisher } from "../snapshot/publish-snapshot.ts";
import { Sha256, SignedSnapshot, SnapshotTrust } from "../snapshot/schema.ts";
import { latestSnapshot } from "../store.ts";

export interface SnapshotRouteDeps {
  readonly work: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly objects: ObjectStore;
  readonly publisher: SnapshotPublisher;
}

const maxWaitMs = 25_000;
/** Where the caller stands, as it declared: what it gets is judged by this. */
const Stated = Type.Object({
  gateway: GatewayName,
  region: GatewayDeclaration.properties.region,
  owner: GatewayDeclaration.properties.owner,
});
const Query = Type.Object({
  ...Stated.properties,
  after: Type.Optional(Type.Integer({ minimum: 0, description: "Version that the caller already has" })),
  waitMs: Type.Optional(
    Type.Integer({ minimum: 0, maximum: maxWaitMs, description: "How long to wait for a newer one" }),
  ),
});
const Params = Type.Object({ digest: Sha256 });

export async function snapshotRoutes(app: FastifyInstance, deps: SnapshotRouteDeps): Promise<void> {
  app.get<{ Querystring: Static<typeof Query> }>(
    "/v1/snapshots/latest",
    {
      config: routeConfig("snapshots:read", "read"),
      schema: {
        summary: "The organisation's signed route snapshot; 304 when none is newer than `after`",
        tags: ["serving"],
        querystring: Query,
        response: { 200: SignedSnapshot, 304: Type.Null() },
      },
    },
    async (request, reply) => {
      const { organisationId } = request.call.actor;
      await servedEnvironments(deps, request.call);
      const { after = 0, waitMs = 0 } = request.query;
      await requireDeclared(deps, request.call, request.query);
      if (waitMs > 0) await deps.publisher.waitBeyond(organisationId, after, waitMs);
      const latest = await deps.work.read(request.call, (sql) => latestSnapshot(sql, organisationId));
      if (latest && latest.version <= after) return reply.code(304).send();
      if (!latest)
        throw new PortolanError<ServingErrorCode>("serving.no_snapshot", {
          mend: "Deploy an endpoint first.",
        });
      return reply.header("etag", `"${latest.version}"`).send(latest.signed);
    },
  );

  app.get(
    "/v1/snapshots/trust",
    {
      config: routeConfig("snapshots:read", "read"),
      schema: {
        summary:
          "Whose snapshots a new gateway of this organisation believes; it asks once and pins the answer",
        tags: ["serving"],
        response: { 200: SnapshotTrust },
      },
    },
    async (request) => {
      const { organisationId } = request.call.actor;
      await servedEnvironments(deps, request.call);
      return deps.publisher.trust(organisationId);
    },
  );

  partRoute(app, deps);
}

/**
 * The environments that the caller serves as a gateway. The manifest names digests alone, and each part is given out where it
 * belongs.
 */
function servedEnvironments(deps: SnapshotRouteDeps, call: CallContext): Promise<Environment[]> {
  const { organisationId } = call.actor;
  return environmentsAllowing(deps.authorizer, call, "snapshots:read", { type: "Snapshot", organisationId });
}

function partRoute(app: FastifyInstance, deps: SnapshotRouteDeps): void {
  app.get<{ Params: Static<typeof Params>; Querystring: Static<typeof Stated> }>(
    "/v1/snapshots/parts/:digest",
    {
      config: routeConfig("snapshots:read", "read"),
      schema: {
        summary: "Bytes that the current snapshot refers to: a part, a model, a signature bundle",
        tags: ["serving"],
        params: Params,
        querystring: Stated,
      },
    },
    async (request, reply) => {
      const { organisationId } = request.call.actor;
      const served = await servedEnvironments(deps, request.call);
      const place = await requireDeclared(deps, request.call, request.query);
      const latest = await deps.work.read(request.call, (sql) => latestSnapshot(sql, organisationId));
      const digest = parseDigest(request.params.digest);
      if (!digest || !latest || !mayFetch(latest.fetchable, digest, place, served))
        throw new PortolanError<ServingErrorCode>("serving.part_not_found", {
          mend: "Fetch the latest snapshot again.",
        });
      return reply
        .type("application/octet-stream")
        .header("cache-control", "private, immutable, max-age=31536000")
        .send(Buffer.from(await deps.objects.get(digest)));
    },
  );
}
