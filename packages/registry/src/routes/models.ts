import { routeConfig } from "@portolan/http-contract";
import { PortolanError } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import type { ArtifactDeps } from "../artifacts.ts";
import { ComputeProfile } from "../compute-profile.ts";
import {
  EnvironmentName,
  Lineage,
  ModelName,
  ModelVersion,
  Sha256,
  StatedPrompt,
  StatedUpstream,
} from "../contract.ts";
import type { RegistryErrorCode } from "../errors.ts";
import {
  listReadableVersions,
  type PromoteDeps,
  promoteVersion,
  readBundle,
  readVersion,
} from "../promote-version.ts";
import { type PushDeps, pushVersion } from "../push-version.ts";
import { readComputeProfile } from "../read-compute-profile.ts";
import { type RegisterUpstreamDeps, registerUpstream } from "../register-upstream.ts";

const NewVersion = Type.Object(
  {
    useCaseId: Type.String({ minLength: 1, maxLength: 60 }),
    artifact: Sha256,
    lineage: Lineage,
    environment: Type.Optional(EnvironmentName),
  },
  { additionalProperties: false },
);
const NewUpstream = Type.Object(
  {
    useCaseId: Type.String({ minLength: 1, maxLength: 60 }),
    upstream: StatedUpstream,
    prompt: Type.Optional(StatedPrompt),
    environment: Type.Optional(EnvironmentName),
  },
  { additionalProperties: false },
);
const NameParams = Type.Object({ model: ModelName });
const VersionParams = Type.Object({ model: ModelName, version: Type.Integer({ minimum: 1 }) });
const Measured = Type.Object({
  digest: Sha256,
  bundle: Sha256,
  signingKeyId: Type.String(),
  signedAt: Type.Integer({ description: "Epoch microseconds" }),
  profile: ComputeProfile,
});
const Promotion = Type.Object({ to: EnvironmentName }, { additionalProperties: false });

export type RegistryDeps = PushDeps & PromoteDeps & ArtifactDeps & RegisterUpstreamDeps;

export async function modelRoutes(app: FastifyInstance, deps: RegistryDeps): Promise<void> {
  writeRoutes(app, deps);
  upstreamRoutes(app, deps);
  readRoutes(app, deps);
}

function writeRoutes(app: FastifyInstance, deps: RegistryDeps): void {
  app.post<{ Params: Static<typeof NameParams>; Body: Static<typeof NewVersion> }>(
    "/v1/models/:model/versions",
    {
      config: routeConfig("registry:push_version", "governed"),
      schema: {
        summary: "Register an immutable, signed model version",
        tags: ["registry"],
        params: NameParams,
        body: NewVersion,
        response: { 201: ModelVersion },
      },
    },
    async (request, reply) => {
      const { environment = "production", ...body } = request.body;
      const version = await pushVersion(deps, request.call, {
        ...body,
        model: request.params.model,
        environment,
      });
      return reply.code(201).send(version);
    },
  );

  app.post<{ Params: Static<typeof VersionParams>; Body: Static<typeof Promotion> }>(
    "/v1/models/:model/versions/:version/promotions",
    {
      config: routeConfig("registry:promote", "governed"),
      schema: {
        summary: "Promote a version to an environment, if its gates are passed",
        tags: ["registry"],
        params: VersionParams,
        body: Promotion,
        response: { 200: Type.Object({ kind: Type.Literal("promoted"), to: EnvironmentName }) },
      },
    },
    async (request) => {
      const verdict = await promoteVersion(deps, request.call, { ...request.params, to: request.body.to });
      switch (verdict.kind) {
        case "promoted":
          return verdict;
        case "blocked":
          throw new PortolanError<RegistryErrorCode>("registry.promotion_blocked", {
            detail: `${verdict.failures.length} gate(s) stand against ${request.body.to}`,
            mend: "See the violations; evaluate the version, promote it to staging first, or train a better one.",
            violations: verdict.failures.map((failure) => ({
              detail: `${failure.gate}: observed ${failure.observed}, required ${failure.required}`,
            })),
          });
      }
    },
  );
}

function upstreamRoutes(app: FastifyInstance, deps: RegistryDeps): void {
  app.post<{ Params: Static<typeof NameParams>; Body: Static<typeof NewUpstream> }>(
    "/v1/models/:model/upstreams",
    {
      config: routeConfig("registry:import", "governed"),
      schema: {
        summary: "Register a version that another inference server runs",
        tags: ["registry"],
        params: NameParams,
        body: NewUpstream,
        response: { 201: ModelVersion },
      },
    },
    async (request, reply) => {
      const { environment = "production", ...body } = request.body;
      const named = { ...body, model: request.params.model, environment };
      return reply.code(201).send(await registerUpstream(deps, request.call, named));
    },
  );
}

function readRoutes(app: FastifyInstance, deps: RegistryDeps): void {
  const versions = { 200: Type.Object({ versions: Type.Array(ModelVersion) }) };
  app.get(
    "/v1/models",
    {
      config: routeConfig("registry:read", "read"),
      schema: {
        summary: "Model versions of the organisation, newest first",
        tags: ["registry"],
        response: versions,
      },
    },
    async (request) => ({ versions: await listReadableVersions(deps, request.call) }),
  );
  app.get<{ Params: Static<typeof NameParams> }>(
    "/v1/models/:model/versions",
    {
      config: routeConfig("registry:read", "read"),
      schema: {
        summary: "Versions of one model",
        tags: ["registry"],
        params: NameParams,
        response: versions,
      },
    },
    async (request) => ({ versions: await listReadableVersions(deps, request.call, request.params.model) }),
  );
  app.get<{ Params: Static<typeof VersionParams> }>(
    "/v1/models/:model/versions/:version",
    {
      config: routeConfig("registry:read", "read"),
      schema: {
        summary: "One version with its lineage",
        tags: ["registry"],
        params: VersionParams,
        response: { 200: ModelVersion },
      },
    },
    async (request) => readVersion(deps, request.call, request.params.model, request.params.version),
  );
  evidenceRoutes(app, deps);
}

/** What was signed with a version. */
function evidenceRoutes(app: FastifyInstance, deps: RegistryDeps): void {
  app.get<{ Params: Static<typeof VersionParams> }>(
    "/v1/models/:model/versions/:version/compute-profile",
    {
      config: routeConfig("registry:read", "read"),
      schema: {
        summary: "What a version takes of a machine, as measured at its registration",
        tags: ["registry"],
        params: VersionParams,
        response: { 200: Measured },
      },
    },
    async (request) => {
      const { model, version } = request.params;
      const found = await readComputeProfile(deps, request.call, model, version);
      if (found) return found;
      throw new PortolanError("kernel.not_found", {
        detail: `${model}/${version} is not measured yet`,
        mend: "The measurement is a job that starts with the registration; see GET /v1/jobs.",
      });
    },
  );
  app.get<{ Params: Static<typeof VersionParams> }>(
    "/v1/models/:model/versions/:version/bundle",
    {
      config: routeConfig("registry:read", "read"),
      schema: {
        summary: "Signature bundle (OpenSSF Model Signing v1.0)",
        tags: ["registry"],
        params: VersionParams,
      },
    },
    async (request, reply) => {
      const bundle = await readBundle(deps, request.call, request.params.model, request.params.version);
      return reply.type("application/json").send(Buffer.from(bundle));
    },
  );
}
