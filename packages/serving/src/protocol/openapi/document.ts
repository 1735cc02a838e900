import type { JsonObject } from "@portolan/kernel";
import { schemas } from "./schemas.ts";

interface Call {
  readonly id: string;
  readonly summary: string;
  /** Schema of the answer; absent: not JSON, see `metrics`. */
  readonly answer: string;
  readonly body?: { readonly schema: string; readonly required: boolean; readonly binary?: true };
  /** Probes of the gateway itself are open. */
  readonly open?: true;
  /** Also answered with 503, of the same form. */
  readonly not?: true;
  /** Streams where the request asks for it, and refuses in OpenAI's shape. */
  readonly text?: true;
  /** Refuses in the shape of the OpenFeature Remote Evaluation Protocol. */
  readonly flags?: true;
}

const infer = { schema: "InferRequest", required: true, binary: true } as const;
const change = { schema: "RepositoryChange", required: false } as const;

/** By method and path, as `readPath` routes them. */
const calls: Readonly<Record<string, Call>> = {
  "GET /v2": { id: "serverMetadata", summary: "What this server is", answer: "ServerMetadata", open: true },
  "GET /v2/health/live": { id: "serverLive", summary: "Whether it lives", answer: "Liveness", open: true },
  "GET /v2/health/ready": {
    id: "serverReady",
    summary: "Whether it takes inferences",
    answer: "Readiness",
    open: true,
    not: true,
  },
  "GET /": { id: "v1Live", summary: "Whether it lives, in KServe's V1", answer: "Alive", open: true },
  "GET /healthz": { id: "healthz", summary: "Whether it lives", answer: "Alive", open: true },
  "GET /readyz": {
    id: "readyz",
    summary: "Whether it takes inferences, and why not",
    answer: "Readiness",
    open: true,
    not: true,
  },
  "GET /v2/models": { id: "modelList", summary: "Models that the caller may use", answer: "ModelList" },
  "GET /v2/models/stats": {
    id: "allStatistics",
    summary: "Statistics of all of them",
    answer: "Statistics",
  },
  ...ofModel("/v2/models/{model}", ""),
  ...ofModel("/v2/models/{model}/versions/{version}", "OfVersion"),
  "POST /v2/repository/index": {
    id: "repositoryIndex",
    summary: "Models and their states",
    answer: "RepositoryIndex",
    body: { schema: "RepositoryIndexRequest", required: false },
  },
  "POST /v2/repository/models/{model}/load": {
    id: "repositoryLoad",
    summary: "Succeeds for a model that is deployed, and changes nothing",
    answer: "RepositoryChange",
    body: change,
  },
  "POST /v2/repository/models/{model}/unload": {
    id: "repositoryUnload",
    summary: "Refused: models leave by a deployment",
    answer: "RepositoryChange",
    body: change,
  },
  "GET /v1/models": { id: "v1ModelList", summary: "Models that the caller may use", answer: "ModelList" },
  "GET /v1/models/{model}": {
    id: "v1ModelReady",
    summary: "Whether a model answers",
    answer: "ModelReadiness",
    not: true,
  },
  "POST /v1/models/{model}:predict": {
    id: "v1Predict",
    summary: "A prediction in KServe's V1 protocol",
    answer: "V1Response",
    body: { schema: "V1Request", required: true },
  },
};

/** Beside predictions. */
const featureCalls: Readonly<Record<string, Call>> = {
  "POST /v1/features/online": {
    id: "readFeatures",
    summary: "Feature values that an endpoint's model would be fed with now, with status and event time",
    answer: "FeaturesResponse",
    body: { schema: "FeaturesRequest", required: true },
  },
  "POST /ofrep/v1/evaluate/flags": {
    id: "evaluateFlags",
    summary: "Every flag that the caller may see; 304 where If-None-Match has its ETag",
    answer: "FlagEvaluations",
    body: { schema: "FlagRequest", required: false },
    flags: true,
  },
  "POST /ofrep/v1/evaluate/flags/{key}": {
    id: "evaluateFlag",
    summary: "A flag by its name, ENDPOINT.KEY",
    answer: "FlagEvaluation",
    body: { schema: "FlagRequest", required: false },
    flags: true,
  },
};

/** The OpenAI-compatible protocol, as far as it is read here; whatever else a request says is the upstream's to judge. */
const textCalls: Readonly<Record<string, Call>> = {
  "POST /v1/chat/completions": {
    id: "textChat",
    summary: "The next message of a chat, whole or streamed",
    answer: "TextResponse",
    body: { schema: "ChatRequest", required: true },
    text: true,
  },
  "POST /v1/completions": {
    id: "textCompletions",
    summary: "The continuation of a text, whole or streamed",
    answer: "TextResponse",
    body: { schema: "CompletionRequest", required: true },
    text: true,
  },
  "POST /v1/embeddings": {
    id: "textEmbeddings",
    summary: "Texts as vectors",
    answer: "EmbeddingResponse",
    body: { schema: "EmbeddingRequest", required: true },
    text: true,
  },
};

function ofModel(path: string, suffix: string): Record<string, Call> {
  return {
    [`GET ${path}`]: {
      id: `modelMetadata${suffix}`,
      summary: "Inputs and outputs of a model",
      answer: "ModelMetadata",
    },
    [`GET ${path}/ready`]: {
      id: `modelReady${suffix}`,
      summary: "Whether a model answers",
      answer: "ModelReadiness",
      not: true,
    },
    [`GET ${path}/config`]: {
      id: `modelConfig${suffix}`,
      summary: "Configuration in Triton's words",
      answer: "ModelConfig",
    },
    [`GET ${path}/stats`]: {
      id: `modelStatistics${suffix}`,
      summary: "Counts and durations since the start",
      answer: "Statistics",
    },
    [`POST ${path}/infer`]: {
      id: `infer${suffix}`,
      summary: "A prediction, which is on the record before it is answered",
      answer: "InferResponse",
      body: infer,
    },
  };
}

const json = (schema: string): JsonObject => ({
  "application/json": { schema: { $ref: `#/components/schemas/${schema}` } },
});

const events: JsonObject = { "text/event-stream": { schema: { type: "string" } } };

/** JSON followed by raw tensors; the header `Inference-Header-Content-Length` says where they begin. */
const octets: JsonObject = { "application/octet-stream": { schema: { type: "string", format: "binary" } } };

function operation(path: string, call: Call): JsonObject {
  const { body } = call;
  const parameters = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name: name ?? "",
    in: "path",
    required: true,
    schema: { type: "string", minLength: 1, maxLength: name === "version" ? 64 : 200 },
  }));
  const answered = { ...json(call.answer), ...(body?.binary ? octets : {}), ...(call.text ? events : {}) };
  return {
    operationId: call.id,
    summary: call.summary,
    ...(call.open ? { security: [] } : {}),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body
      ? {
          requestBody: {
            required: body.required,
            content: { ...json(body.schema), ...(body.binary ? octets : {}) },
          },
        }
      : {}),
    responses: {
      "200": { description: call.summary, content: answered },
      ...(call.not ? { "503": { description: "Not now", content: json(call.answer) } } : {}),
      default: { $ref: `#/components/responses/${refusalOf(call)}` },
    },
  };
}

function refusalOf({ text, flags }: Call): "TextProblem" | "FlagProblem" | "Problem" {
  if (text) return "TextProblem";
  return flags ? "FlagProblem" : "Problem";
}

/** The gateway's REST API as an OpenAPI 3.1 document: no names of models, nothing that depends on who asks. */
export function gatewayOpenApi(version: string): JsonObject {
  const paths: Record<string, Record<string, JsonObject>> = {};
  for (const [route, call] of Object.entries({ ...calls, ...featureCalls, ...textCalls })) {
    const [method = "", path = ""] = route.split(" ");
    (paths[path] ??= {})[method.toLowerCase()] = operation(path, call);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Portolan gateway API",
      version,
      description:
        "Predictions by the Open Inference Protocol v2 (with binary tensors), KServe's V1 and the OpenAI-compatible protocol. Errors are RFC 9457 problem details with the protocols' `error` beside them.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    security: [{ bearer: [] }],
    paths,
    components: {
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer", description: "An API key or an access token" },
      },
      schemas: { ...schemas },
      responses: {
        TextProblem: {
          description: "A refusal in the shape that OpenAI's clients read",
          content: json("TextProblem"),
        },
        FlagProblem: {
          description:
            "A refusal in the shape that OpenFeature's providers read; of a caller who is unknown, not admitted or over a limit, a problem",
          content: {
            ...json("FlagFailure"),
            "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } },
          },
        },
        Problem: {
          description: "A problem (RFC 9457); `code` names its page under docs/errors",
          content: {
            "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } },
          },
        },
      },
    },
  };
}
