import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import {
  type ArtifactDeps,
  artifactLimits,
  deleteArtifacts,
  listArtifacts,
  openArtifact,
  putArtifact,
} from "../artifacts/artifacts.ts";
import { abortUpload, beginUpload, completeUpload } from "../artifacts/multipart.ts";
import { findRun } from "../find-run.ts";
import { runRootOf } from "./mlflow-answers.ts";
import { runIdOf } from "./mlflow-forms.ts";
import { AbortUpload, BeginUpload, CompleteUpload, ListArtifacts } from "./mlflow-model-forms.ts";
import { filesAnswer, reading, writing } from "./route-options.ts";

const tags = ["tracking"];
const AnyPath = Type.Object({ "*": Type.String() });
type AnyPath = Static<typeof AnyPath>;
const FolderQuery = Type.Object({ path: Type.Optional(Type.String()) });

/** Files of runs and of logged models, streamed in and out; register them below `/api/2.0/mlflow-artifacts`. */
export async function artifactRoutes(app: FastifyInstance, deps: ArtifactDeps): Promise<void> {
  app.get<{ Querystring: Static<typeof FolderQuery> }>(
    "/artifacts",
    reading("MLflow: what lies in a folder of a run's artifacts", FolderQuery),
    async ({ call, query }) => filesAnswer(await listArtifacts(deps, call, query.path ?? ""), ""),
  );
  app.get<{ Params: AnyPath }>(
    "/artifacts/*",
    {
      config: routeConfig("training:read", "read"),
      schema: { summary: "MLflow: the bytes of an artifact", tags, params: AnyPath },
    },
    async ({ call, params }, reply) => {
      const { localPath, sizeBytes } = await openArtifact(deps, call, params["*"]);
      return reply
        .type("application/octet-stream")
        .header("content-length", sizeBytes)
        .header("content-disposition", "attachment")
        .header("x-content-type-options", "nosniff")
        .send(createReadStream(localPath));
    },
  );
  app.delete<{ Params: AnyPath }>(
    "/artifacts/*",
    {
      config: routeConfig("training:track", "recorded"),
      schema: { summary: "MLflow: take an artifact, or a folder of them, off a run", tags, params: AnyPath },
    },
    async ({ call, params }) => {
      await deleteArtifacts(deps, call, params["*"]);
      return {};
    },
  );
  multipartRoutes(app, deps);
  await app.register((scope) => uploadRoute(scope, deps));
}

/** Large files in parts, which go to the route of artifacts with the caller's own credential. */
function multipartRoutes(app: FastifyInstance, deps: ArtifactDeps): void {
  app.post<{ Params: AnyPath; Body: Static<typeof BeginUpload> }>(
    "/mpu/create/*",
    writing("MLflow: begin to upload a file in parts", BeginUpload),
    async ({ call, params, body, protocol, host, headers }, reply) => {
      const file = { folder: params["*"], localPath: body.path };
      const { id, parts } = await beginUpload(deps, call, file, body.num_parts);
      const base = `${protocol}://${host}/api/2.0/mlflow-artifacts/artifacts`;
      // Clients send a part with these headers alone: what the caller has shown is given back to the caller, and to nobody else.
      const { authorization } = headers;
      void reply.header("cache-control", "no-store");
      return {
        upload_id: id,
        credentials: parts.map(({ number, address }) => ({
          url: `${base}/${address.split("/").map(encodeURIComponent).join("/")}`,
          part_number: number,
          headers: {
            "content-type": "application/octet-stream",
            ...(authorization === undefined ? {} : { authorization }),
          },
        })),
      };
    },
  );
  app.post<{ Params: AnyPath; Body: Static<typeof CompleteUpload> }>(
    "/mpu/complete/*",
    writing("MLflow: make a file of its uploaded parts", CompleteUpload),
    async ({ call, params, body }) => {
      const stated = body.parts.map(({ part_number: number, etag }) => ({
        number,
        ...(etag ? { digest: etag.replaceAll('"', "") } : {}),
      }));
      await completeUpload(deps, call, { folder: params["*"], localPath: body.path }, body.upload_id, stated);
      return {};
    },
  );
  app.post<{ Params: AnyPath; Body: Static<typeof AbortUpload> }>(
    "/mpu/abort/*",
    writing("MLflow: give up an upload in parts", AbortUpload),
    async ({ call, params, body }) => {
      await abortUpload(deps, call, { folder: params["*"], localPath: body.path }, body.upload_id);
      return {};
    },
  );
}

/** Whatever the type of the file: it goes to the store as it comes. */
async function uploadRoute(app: FastifyInstance, deps: ArtifactDeps): Promise<void> {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, body, done) => done(null, body));
  app.put<{ Params: AnyPath; Body: Readable }>(
    "/artifacts/*",
    {
      bodyLimit: artifactLimits.fileBytes,
      config: routeConfig("training:track", "recorded"),
      schema: { summary: "MLflow: store an artifact of one's own run", tags, params: AnyPath },
    },
    async ({ call, params, body, raw }, reply) => {
      // Without a body at all there is no parser: an empty file.
      const digest = await putArtifact(deps, call, params["*"], body ?? raw);
      void reply.header("etag", `"${digest}"`);
      return {};
    },
  );
}

/** The files of a run as MLflow's tracking service lists them; register it below `/api/2.0/mlflow`. */
export function runArtifactRoutes(app: FastifyInstance, deps: ArtifactDeps): void {
  app.get<{ Querystring: Static<typeof ListArtifacts> }>(
    "/artifacts/list",
    reading("MLflow: what lies in a folder of a run's artifacts", ListArtifacts),
    async ({ call, query }) => {
      const run = await findRun(deps, call, runIdOf(query));
      const root = runRootOf(call.actor.organisationId, run);
      const path = query.path ?? "";
      const at = [root.replace("mlflow-artifacts:/", ""), path].filter(Boolean).join("/");
      return { root_uri: root, ...filesAnswer(await listArtifacts(deps, call, at), path) };
    },
  );
}
