import { routeConfig } from "@portolan/http-contract";
import { PortolanError } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { type AcceptDriftDeps, acceptDrift } from "../accept-delivery.ts";
import { DriftDelivery, DriftReading, DriftReceipt, DriftReports, ReferenceProfile } from "../contract.ts";
import { type ProfileDeps, startProfile } from "../make-profile.ts";
import { readDrift, readVersionProfile } from "../read-drift.ts";
import { readDriftReport } from "../read-drift-report.ts";
import type { ReadDriftDeps } from "../visible-places.ts";

const tags = ["monitoring"];
const deliveryLimitBytes = 16 * 1024 * 1024;
const VersionParams = Type.Object({ model: Type.String(), version: Type.Integer({ minimum: 1 }) });
const EndpointParams = Type.Object({ name: Type.String({ minLength: 1, maxLength: 200 }) });
const Stretch = Type.Object({
  from: Type.Optional(Type.Integer({ description: "Event time, epoch microseconds, inclusive" })),
  to: Type.Optional(Type.Integer({ description: "Event time, epoch microseconds, inclusive" })),
});
const ProfileBody = Type.Object(
  {
    trainingSetId: Type.Optional(
      Type.String({ maxLength: 60, description: "Absent: what the platform trained the version on" }),
    ),
  },
  { additionalProperties: false },
);
const SignedProfile = Type.Object({
  digest: Type.String(),
  bundle: Type.String({ description: "Digest of the signature over model and profile" }),
  signingKeyId: Type.String(),
  signedAt: Type.Integer({ description: "Epoch microseconds" }),
  profile: ReferenceProfile,
});

export type DriftRouteDeps = AcceptDriftDeps & ProfileDeps & ReadDriftDeps;

export async function driftRoutes(app: FastifyInstance, deps: DriftRouteDeps): Promise<void> {
  app.post<{ Body: DriftDelivery }>(
    "/v1/drift-counts",
    {
      bodyLimit: deliveryLimitBytes,
      config: routeConfig("predictions:deliver", "recorded"),
      schema: {
        summary: "Deliver what a gateway counted into the cells of reference profiles",
        tags,
        body: DriftDelivery,
        response: { 200: DriftReceipt },
      },
    },
    (request) => acceptDrift(deps, request.call, request.body),
  );

  app.get<{ Params: Static<typeof EndpointParams>; Querystring: Static<typeof Stretch> }>(
    "/v1/endpoints/:name/drift-counts",
    {
      config: routeConfig("predictions:read", "read"),
      schema: {
        summary: "Counts of an endpoint's inputs and predictions beside their references",
        tags,
        params: EndpointParams,
        querystring: Stretch,
        response: { 200: DriftReading },
      },
    },
    (request) => readDrift(deps, request.call, { endpoint: request.params.name, ...request.query }),
  );
  reportRoute(app, deps);
  profileRoutes(app, deps);
}

function reportRoute(app: FastifyInstance, deps: DriftRouteDeps): void {
  app.get<{ Params: Static<typeof EndpointParams>; Querystring: Static<typeof Stretch> }>(
    "/v1/endpoints/:name/drift-report",
    {
      config: routeConfig("predictions:read", "read"),
      schema: {
        summary: "Whether an endpoint's inputs and predictions drift from their references",
        description:
          "Judged in windows of at least a thousand rows or an hour. Without `from`: the last 24 hours in which anything was counted; `from` is rounded down to the hour.",
        tags,
        params: EndpointParams,
        querystring: Stretch,
        response: { 200: DriftReports },
      },
    },
    (request) => readDriftReport(deps, request.call, { endpoint: request.params.name, ...request.query }),
  );
}

function profileRoutes(app: FastifyInstance, deps: DriftRouteDeps): void {
  const url = "/v1/models/:model/versions/:version/reference-profile";
  app.post<{ Params: Static<typeof VersionParams>; Body: Static<typeof ProfileBody> }>(
    url,
    {
      config: routeConfig("evaluation:run", "governed"),
      schema: {
        summary: "Make the reference profile that drift is counted against",
        tags,
        params: VersionParams,
        body: ProfileBody,
        response: { 202: Type.Object({ job: Type.String() }) },
      },
    },
    async (request, reply) => {
      const asked = { ...request.params, ...request.body };
      return reply.code(202).send({ job: await startProfile(deps, request.call, asked) });
    },
  );

  app.get<{ Params: Static<typeof VersionParams> }>(
    url,
    {
      config: routeConfig("evaluation:read", "read"),
      schema: {
        summary: "The reference profile of a version",
        tags,
        params: VersionParams,
        response: { 200: SignedProfile },
      },
    },
    async (request) => {
      const { model, version } = request.params;
      await deps.versions.find(request.call, model, version);
      const found = await readVersionProfile(deps, request.call, model, version);
      if (!found)
        throw new PortolanError("kernel.not_found", {
          detail: `${model}/${version} has no reference profile`,
          mend: "Make one: portolan model profile NAME VERSION.",
        });
      const { digest, bundle, signing_key_id: signingKeyId, signed_at: signedAt } = found.row;
      return { digest, bundle, signingKeyId, signedAt, profile: found.profile };
    },
  );
}
