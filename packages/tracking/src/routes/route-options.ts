import { routeConfig } from "@portolan/http-contract";
import type { TObject, TProperties } from "@portolan/typebox";
import type { ArtifactEntry } from "../artifacts/artifacts.ts";
import { limits } from "../check-values.ts";

const tags = ["tracking"];

/** Of a route that reads runs. */
export function reading<Query extends TObject<TProperties>>(summary: string, querystring: Query) {
  return { config: routeConfig("training:read", "read"), schema: { summary, tags, querystring } };
}

/** Of a question that is sent as a message. */
export function asking<Body extends TObject<TProperties>>(summary: string, body: Body) {
  const schema = { summary, tags, body };
  return { bodyLimit: limits.requestBytes, config: routeConfig("training:read", "read"), schema };
}

/** Of a route that logs: one leaf of the ledger per request. */
export function writing<Body extends TObject<TProperties>>(summary: string, body: Body) {
  const schema = { summary, tags, body };
  return { bodyLimit: limits.requestBytes, config: routeConfig("training:track", "recorded"), schema };
}

/** MLflow's `FileInfo`s. @param folder what their paths begin with */
export function filesAnswer(entries: readonly ArtifactEntry[], folder: string) {
  const files = entries.map(({ name, isFolder, sizeBytes }) => ({
    path: folder === "" ? name : `${folder}/${name}`,
    is_dir: isFolder,
    ...(sizeBytes === undefined ? {} : { file_size: sizeBytes }),
  }));
  return files.length === 0 ? {} : { files };
}
