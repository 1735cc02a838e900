import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { type ArtifactDeps, largestArtifactBytes, readArtifact, uploadArtifact } from "../artifacts.ts";
import { EnvironmentName, Sha256 } from "../contract.ts";

const UploadPlace = Type.Object(
  {
    environment: EnvironmentName,
    useCaseId: Type.Optional(Type.String({ minLength: 1, maxLength: 63, description: "Id or name" })),
    teamId: Type.Optional(Type.String({ minLength: 1, maxLength: 63, description: "Id or name" })),
  },
  { additionalProperties: false },
);
const ByDigest = Type.Object({ digest: Sha256 });
const ReadFor = Type.Object(
  {
    purpose: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 100,
        description: "What rows of data are read for; bytes that hold none need no purpose",
      }),
    ),
  },
  { additionalProperties: false },
);

/** Content-addressed bytes: stored once, held by whoever uploaded or produced them, and by nobody else. */
export async function artifactRoutes(app: FastifyInstance, deps: ArtifactDeps): Promise<void> {
  // Never whole in memory: the use case writes it to the store as it comes, and bounds it.
  app.addContentTypeParser("application/octet-stream", (_request, body, done) => done(null, body));

  app.post<{ Body: Readable; Querystring: Static<typeof UploadPlace> }>(
    "/v1/artifacts",
    {
      bodyLimit: largestArtifactBytes,
      config: routeConfig("artifacts:write", "governed"),
      schema: {
        summary:
          "Upload an artifact for an environment and a use case, a team or everybody; the answer is its content address",
        tags: ["registry"],
        consumes: ["application/octet-stream"],
        querystring: UploadPlace,
        response: { 201: Type.Object({ digest: Sha256, sizeBytes: Type.Integer() }) },
      },
    },
    async (request, reply) => {
      const stored = await uploadArtifact(deps, request.call, request.body, request.query);
      return reply.code(201).send(stored);
    },
  );

  app.get<{ Params: Static<typeof ByDigest>; Querystring: Static<typeof ReadFor> }>(
    "/v1/artifacts/:digest",
    {
      config: routeConfig("artifacts:read", "read"),
      schema: {
        summary:
          "Download an artifact that your organisation holds where you may read; rows of data only where the policies on them allow all of them",
        tags: ["registry"],
        params: ByDigest,
        querystring: ReadFor,
      },
    },
    async (request, reply) => {
      const path = await readArtifact(deps, request.call, request.params.digest, request.query.purpose);
      return reply.type("application/octet-stream").send(createReadStream(path));
    },
  );
}
