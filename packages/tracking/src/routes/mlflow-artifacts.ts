import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { publicRoute, routeConfig } from "@portolan/http-contract";
import { newId, parseId } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import {
  type ArtifactDeps,
  artifactLimits,
  deleteArtifacts,
  listArtifacts,
  openArtifact,
  openSigned,
  putArtifact,
  signArtifact,
} from "../artifacts/artifacts.ts";
import { parseRange } from "../artifacts/byte-range.ts";
import { abortUpload, beginUpload, completeUpload } from "../artifacts/multipart.ts";
import { findRun } from "../find-run.ts";
import { runRootOf } from "./mlflow-answers.ts";
import { int64Of, runIdOf } from "./mlflow-forms.ts";
import {
  AbortUpload,
  BeginUpload,
  CompleteUpload,
  ListArtifacts,
  PresignDownload,
} from "./mlflow-model-forms.ts";
import { asking, filesAnswer, reading, writing } from "./route-options.ts";

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
    async (request, reply) =>
      sendFile(request, reply, await openArtifact(deps, request.call, request.params["*"])),
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
  signedRoutes(app, deps);
  multipartRoutes(app, deps);
  await app.register((scope) => uploadRoute(scope, deps));
}

/** A file, or the part of it that a `Range` header names. */
function sendFile(
  { headers }: FastifyRequest,
  reply: FastifyReply,
  { localPath, sizeBytes }: Awaited<ReturnType<typeof openArtifact>>,
): FastifyReply {
  const range = parseRange(headers.range, sizeBytes);
  void reply.header("accept-ranges", "bytes");
  if (range === "none") return reply.code(416).header("content-range", `bytes */${sizeBytes}`).send("");
  const part = range === "whole" ? undefined : range;
  if (part) void reply.code(206).header("content-range", `bytes ${part.first}-${part.last}/${sizeBytes}`);
  return reply
    .type("application/octet-stream")
    .header("content-length", part ? part.last - part.first + 1 : sizeBytes)
    .header("content-disposition", "attachment")
    .header("x-content-type-options", "nosniff")
    .header("cache-control", "no-store")
    .send(createReadStream(localPath, part ? { start: part.first, end: part.last } : {}));
}

const SignedQuery = Type.Object({ address: Type.String({ minLength: 1, maxLength: 8_000 }) });

/** Where a signed address leads, at the origin that the caller came to. */
function addressOf({ protocol, host }: FastifyRequest, signed: string): string {
  return `${protocol}://${host}/api/2.0/mlflow-artifacts/signed?address=${signed}`;
}

/** Addresses that need no credential, and what is behind them. */
function signedRoutes(app: FastifyInstance, deps: ArtifactDeps): void {
  app.get<{ Params: AnyPath }>(
    "/presigned/*",
    {
      config: routeConfig("training:read", "read"),
      schema: { summary: "MLflow: a signed address of an artifact, for some minutes", tags, params: AnyPath },
    },
    async (request, reply) => {
      const { signed, sizeBytes } = await signArtifact(deps, request.call, request.params["*"]);
      void reply.header("cache-control", "no-store");
      return { url: addressOf(request, signed), headers: {}, file_size: sizeBytes };
    },
  );
  app.get<{ Querystring: Static<typeof SignedQuery> }>(
    "/signed",
    {
      config: publicRoute,
      schema: {
        summary: "The bytes behind a signed address, or a range of them",
        tags,
        querystring: SignedQuery,
      },
    },
    async (request, reply) => {
      const id = parseId("request", request.id) ?? newId("request", deps.clock.now());
      return sendFile(request, reply, await openSigned(deps, id, request.query.address));
    },
  );
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
  app.post<{ Body: Static<typeof PresignDownload> }>(
    "/artifacts/presigned-download-url",
    asking("MLflow: a signed address of a run's artifact, for as long as asked", PresignDownload),
    async (request, reply) => {
      const { call, body } = request;
      const run = await findRun(deps, call, body.run_id);
      const root = runRootOf(call.actor.organisationId, run).replace("mlflow-artifacts:/", "");
      const seconds = body.expiration === undefined ? undefined : int64Of(body.expiration, "/expiration");
      const { signed, sizeBytes } = await signArtifact(deps, call, `${root}/${body.path}`, seconds);
      void reply.header("cache-control", "no-store");
      return { presigned_url: addressOf(request, signed), file_size: sizeBytes };
    },
  );
}
