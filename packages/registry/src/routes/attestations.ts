import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { AttestationView, EnvironmentName, ModelName, Sha256 } from "../contract.ts";
import {
  type ReadAttestationsDeps,
  readAttestation,
  readAttestations,
  requestAttestation,
} from "../provenance/read-attestations.ts";

const VersionParams = Type.Object({ model: ModelName, version: Type.Integer({ minimum: 1 }) });
const AttestationParams = Type.Object({ ...VersionParams.properties, digest: Sha256 });
const Asked = Type.Object({ environment: Type.Optional(EnvironmentName) }, { additionalProperties: false });

const path = "/v1/models/:model/versions/:version/attestations";

/** Signed statements about a version. */
export async function attestationRoutes(app: FastifyInstance, deps: ReadAttestationsDeps): Promise<void> {
  app.get<{ Params: Static<typeof VersionParams> }>(
    path,
    {
      config: routeConfig("registry:read", "read"),
      schema: {
        summary: "Attestations of a version (in-toto, signed): its training, evaluations and promotions",
        tags: ["registry"],
        params: VersionParams,
        response: { 200: Type.Object({ attestations: Type.Array(AttestationView) }) },
      },
    },
    async (request) => {
      const { model, version } = request.params;
      return { attestations: await readAttestations(deps, request.call, model, version) };
    },
  );
  app.get<{ Params: Static<typeof AttestationParams> }>(
    `${path}/:digest`,
    {
      config: routeConfig("registry:read", "read"),
      schema: {
        summary: "One attestation as a Sigstore bundle (DSSE)",
        tags: ["registry"],
        params: AttestationParams,
      },
    },
    async (request, reply) => {
      const bundle = await readAttestation(deps, request.call, request.params);
      return reply.type("application/json").send(Buffer.from(bundle));
    },
  );
  app.post<{ Params: Static<typeof VersionParams>; Body: Static<typeof Asked> }>(
    path,
    {
      config: routeConfig("registry:push_version", "governed"),
      schema: {
        summary: "Attest what is on record of a version and not attested yet, as a durable job",
        tags: ["registry"],
        params: VersionParams,
        body: Asked,
        response: { 202: Type.Object({ job: Type.String() }) },
      },
    },
    async (request, reply) => {
      const { environment = "production" } = request.body;
      const job = await requestAttestation(deps, request.call, { ...request.params, environment });
      return reply.code(202).send({ job });
    },
  );
}
