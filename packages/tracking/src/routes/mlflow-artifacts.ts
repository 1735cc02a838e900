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
import { findRun } from "../find-run.ts";
import { runRootOf } from "./mlflow-answers.ts";
import { runIdOf } from "./mlflow-forms.ts";
import { ListArtifacts } from "./mlflow-model-forms.ts";
import { filesAnswer, reading } from "./route-options.ts";

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
  await app.register((scope) => uploadRoute(scope, deps));
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
    async ({ call, params, body, raw }) => {
      // Without a body at all there is no parser: an empty file.
      await putArtifact(deps, call, params["*"], body ?? raw);
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
