import { routeConfig } from "@portolan/http-contract";
import { type Authorizer, type ObjectStore, PortolanError, parseDigest } from "@portolan/kernel";
import type { FastifyInstance } from "fastify";
import { Type } from "typebox";
import { Sha256 } from "../contract.ts";
import type { RegistryErrorCode } from "../errors.ts";

/** Models of classical machine learning are below this; larger artifacts go to an object store. */
const maxUploadBytes = 2 ** 30;

export interface ArtifactDeps {
  readonly objects: ObjectStore;
  readonly authorizer: Authorizer;
}

/**
 * Content-addressed bytes. An upload changes no governed state: nothing refers to it until a version, a contract or a job does, and that is
 * what the ledger keeps. Hence class `recorded`.
 */
export async function artifactRoutes(app: FastifyInstance, deps: ArtifactDeps): Promise<void> {
  app.addContentTypeParser(
    "application/octet-stream",
    { parseAs: "buffer", bodyLimit: maxUploadBytes },
    (_request, body, done) => done(null, body),
  );

  app.post<{ Body: Buffer }>(
    "/v1/artifacts",
    {
      bodyLimit: maxUploadBytes,
      config: routeConfig("artifacts:write", "recorded"),
      schema: {
        summary: "Upload an artifact; the answer is its content address",
        tags: ["registry"],
        consumes: ["application/octet-stream"],
        response: { 201: Type.Object({ digest: Sha256, sizeBytes: Type.Integer() }) },
      },
    },
    async (request, reply) => {
      await deps.authorizer.require(request.call, "artifacts:write", {
        type: "Artifact",
        organisationId: request.call.actor.organisationId,
      });
      const digest = await deps.objects.put(request.body);
      return reply.code(201).send({ digest, sizeBytes: request.body.length });
    },
  );

  app.get<{ Params: { digest: string } }>(
    "/v1/artifacts/:digest",
    {
      config: routeConfig("artifacts:read", "read"),
      schema: {
        summary: "Download an artifact",
        tags: ["registry"],
        params: Type.Object({ digest: Sha256 }),
      },
    },
    async (request, reply) => {
      await deps.authorizer.require(request.call, "artifacts:read", {
        type: "Artifact",
        id: request.params.digest,
        // Bytes do not say which environment they belong to: only a credential that reaches production reads by address.
        environment: "production",
        organisationId: request.call.actor.organisationId,
      });
      const digest = parseDigest(request.params.digest);
      if (!digest || !(await deps.objects.has(digest))) {
        throw new PortolanError<RegistryErrorCode>("registry.artifact_not_found", {
          detail: `there is no ${request.params.digest}`,
        });
      }
      return reply.type("application/octet-stream").send(Buffer.from(await deps.objects.get(digest)));
    },
  );
}
