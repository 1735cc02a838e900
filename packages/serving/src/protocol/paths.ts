import type { TextOperation } from "./openai/text-request.ts";

/** What a request to the gateway asks for, by method and path alone. */
export type Operation =
  | ServerOperation
  | ModelOperation
  | ModelsOperation
  | TextPath
  | FlagOperation
  | { readonly kind: "unknown" }
  | { readonly kind: "wrong_method"; readonly allow: string };

/** An operation on the gateway itself. */
export interface ServerOperation {
  readonly kind:
    | "server_live"
    | "server_ready"
    | "server_metadata"
    | "openapi"
    | "healthz"
    | "readyz"
    | "metrics"
    | "read_features";
}

/** An evaluation of one flag, or of all that the caller may see (OpenFeature Remote Evaluation Protocol). */
export type FlagOperation =
  | { readonly kind: "evaluate_flag"; readonly flag: string }
  | { readonly kind: "evaluate_flags" };

/** A question about all models that the caller may use. */
export interface ModelsOperation {
  readonly kind: "model_list" | "v1_model_list" | "all_statistics" | "repository_index";
}

/** A request of the OpenAI-compatible protocol; its body names the model. */
export interface TextPath {
  readonly kind: "text";
  readonly operation: TextOperation;
}

/** An operation on one model. */
export interface ModelOperation {
  readonly kind:
    | "infer"
    | "model_ready"
    | "model_metadata"
    | "model_config"
    | "model_statistics"
    | "repository_load"
    | "repository_unload"
    | "v1_predict"
    | "v1_model_ready";
  readonly model: string;
  readonly version?: string;
}

const fixed: Readonly<Record<string, Operation>> = {
  // Where KServe's V1 clients ask whether the server lives.
  "/": { kind: "healthz" },
  "/v2": { kind: "server_metadata" },
  "/v2/": { kind: "server_metadata" },
  "/v2/health/live": { kind: "server_live" },
  "/v2/health/ready": { kind: "server_ready" },
  "/v2/models": { kind: "model_list" },
  "/v2/models/stats": { kind: "all_statistics" },
  "/v2/repository/index": { kind: "repository_index" },
  "/v1/models": { kind: "v1_model_list" },
  "/v1/chat/completions": { kind: "text", operation: "chat" },
  "/v1/completions": { kind: "text", operation: "completions" },
  "/v1/embeddings": { kind: "text", operation: "embeddings" },
  "/v1/features/online": { kind: "read_features" },
  "/ofrep/v1/evaluate/flags": { kind: "evaluate_flags" },
  "/openapi.json": { kind: "openapi" },
  "/healthz": { kind: "healthz" },
  "/readyz": { kind: "readyz" },
  "/metrics": { kind: "metrics" },
};

const modelPath =
  /^\/v2\/models\/([^/]{1,200})(?:\/versions\/([^/]{1,64}))?(?:\/(ready|infer|config|stats))?$/;
const repositoryPath = /^\/v2\/repository\/models\/([^/]{1,200})\/(load|unload)$/;
const v1Path = /^\/v1\/models\/([^/:]{1,200})(:predict)?$/;

const flagPath = /^\/ofrep\/v1\/evaluate\/flags\/([^/]{1,200})$/;

const ofSuffix: Readonly<Record<string, ModelOperation["kind"]>> = {
  ready: "model_ready",
  infer: "infer",
  config: "model_config",
  stats: "model_statistics",
};

const posted: ReadonlySet<Operation["kind"]> = new Set<Operation["kind"]>([
  "infer",
  "text",
  "read_features",
  "evaluate_flag",
  "evaluate_flags",
  "v1_predict",
  "repository_index",
  "repository_load",
  "repository_unload",
]);

/** The inferences that were asked for last, by URL: clients ask for the same few again and again. */
const inferences = new Map<string, ModelOperation>();
const mostInferences = 256;
const longestKeptUrl = 512;

/** Routes by method and URL; the query string is ignored, as clients add to it freely. */
export function readPath(method: string, url: string): Operation {
  const known = method === "POST" ? inferences.get(url) : undefined;
  if (known) return known;
  const found = readNewPath(method, url);
  if ((found.kind === "infer" || found.kind === "v1_predict") && url.length <= longestKeptUrl) {
    if (inferences.size >= mostInferences) inferences.clear();
    inferences.set(url, found);
  }
  return found;
}

function readNewPath(method: string, url: string): Operation {
  const query = url.indexOf("?");
  const path = query === -1 ? url : url.slice(0, query);
  const found = Object.hasOwn(fixed, path) ? fixed[path] : modelOperation(path);
  if (!found || found.kind === "unknown") return { kind: "unknown" };
  const allow = posted.has(found.kind) ? "POST" : "GET";
  if (method === allow || (method === "HEAD" && allow === "GET")) return found;
  return { kind: "wrong_method", allow };
}

function modelOperation(path: string): Operation {
  const v2 = modelPath.exec(path);
  if (v2) return named(ofSuffix[v2[3] ?? ""] ?? "model_metadata", v2[1], v2[2]);
  const repository = repositoryPath.exec(path);
  if (repository)
    return named(repository[2] === "load" ? "repository_load" : "repository_unload", repository[1]);
  const v1 = v1Path.exec(path);
  if (v1) return named(v1[2] === undefined ? "v1_model_ready" : "v1_predict", v1[1]);
  const flag = decode(flagPath.exec(path)?.[1]);
  return flag === undefined ? { kind: "unknown" } : { kind: "evaluate_flag", flag };
}

function named(kind: ModelOperation["kind"], name: string | undefined, version?: string): Operation {
  const model = decode(name);
  const decoded = decode(version);
  if (model === undefined || (version !== undefined && decoded === undefined)) return { kind: "unknown" };
  return { kind, model, ...(decoded === undefined ? {} : { version: decoded }) };
}

function decode(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
