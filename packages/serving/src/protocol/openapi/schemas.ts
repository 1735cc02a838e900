import type { JsonObject } from "@portolan/kernel";
import { datatypes } from "@portolan/onnx-format";

const text = { type: "string" };
const count = { type: "integer", minimum: 0 };

function object(properties: JsonObject, required: readonly string[], more: JsonObject = {}): JsonObject {
  return { type: "object", properties, required: [...required], ...more };
}

function list(items: JsonObject, more: JsonObject = {}): JsonObject {
  return { type: "array", items, ...more };
}

function ref(name: string): JsonObject {
  return { $ref: `#/components/schemas/${name}` };
}

const tensorParts = {
  name: text,
  datatype: ref("Datatype"),
  shape: list({ type: "integer", minimum: -1 }),
};

const duration = ref("Duration");
/** A text, several, or tokens. */
const promptOrTokens = { type: ["string", "array"] };

/** `components.schemas`: the bodies of the gateway's API. Numbers of INT64 and UINT64 are exact beyond 2^53. */
export const schemas: Readonly<Record<string, JsonObject>> = {
  Datatype: {
    ...text,
    enum: [...datatypes],
    description: "FP16 and BF16 have no JSON form: they are sent as binary tensors.",
  },
  Parameters: { type: "object", additionalProperties: { type: ["string", "number", "boolean"] } },
  TensorData: { type: "array", description: "Elements in row-major order, flat or nested like the shape." },
  InferRequest: object(
    {
      id: { ...text, maxLength: 256, description: "Echoed in the answer." },
      parameters: ref("Parameters"),
      inputs: list(
        object({ ...tensorParts, parameters: ref("Parameters"), data: ref("TensorData") }, [
          "name",
          "shape",
          "datatype",
        ]),
        { minItems: 1 },
      ),
      outputs: list(object({ name: text, parameters: ref("Parameters") }, ["name"]), {
        description: "All outputs when it is left out or empty.",
      }),
    },
    ["inputs"],
  ),
  InferResponse: object(
    {
      model_name: text,
      model_version: text,
      id: text,
      parameters: ref("Parameters"),
      outputs: list(
        object({ ...tensorParts, parameters: ref("Parameters"), data: ref("TensorData") }, [
          "name",
          "shape",
          "datatype",
        ]),
      ),
    },
    ["model_name", "model_version", "outputs"],
  ),
  V1Request: {
    type: "object",
    description: "Rows in `instances`, or whole tensors in `inputs`; one of the two.",
    properties: { instances: { type: "array", minItems: 1 }, inputs: {} },
    oneOf: [{ required: ["instances"] }, { required: ["inputs"] }],
  },
  V1Response: object({ predictions: { type: "array" } }, ["predictions"]),
  TensorMetadata: object(tensorParts, ["name", "datatype", "shape"]),
  ModelMetadata: object(
    {
      name: text,
      versions: list(text),
      platform: text,
      inputs: list(ref("TensorMetadata")),
      outputs: list(ref("TensorMetadata")),
    },
    ["name", "versions", "platform", "inputs", "outputs"],
  ),
  ModelConfig: object(
    {
      name: text,
      platform: text,
      backend: text,
      max_batch_size: count,
      input: list(ref("ConfigTensor")),
      output: list(ref("ConfigTensor")),
      model_transaction_policy: object({ decoupled: { type: "boolean" } }, ["decoupled"]),
      response_cache: object({ enable: { type: "boolean" } }, ["enable"]),
    },
    ["name", "platform", "backend", "max_batch_size", "input", "output"],
  ),
  ConfigTensor: object({ name: text, data_type: text, dims: list({ type: "integer" }) }, [
    "name",
    "data_type",
    "dims",
  ]),
  ModelReadiness: object(
    {
      name: text,
      ready: { type: "boolean" },
      tier: text,
      standIn: { ...text, description: "The model version that answers instead of the deployed one." },
      problem: text,
    },
    ["name", "ready"],
  ),
  ModelList: object(
    {
      models: list(text),
      object: { const: "list" },
      data: { ...list(ref("TextModel")), description: "Text models, for OpenAI's clients." },
    },
    ["models"],
  ),
  TextModel: object({ id: text, object: { const: "model" }, created: count, owned_by: text }, [
    "id",
    "object",
    "created",
    "owned_by",
  ]),
  FeaturesRequest: object(
    {
      endpoint: { ...text, minLength: 1, maxLength: 200 },
      entities: {
        type: "object",
        minProperties: 1,
        maxProperties: 16,
        additionalProperties: list({ type: ["string", "integer"] }, { minItems: 1, maxItems: 1000 }),
        description: "By entity key one value per row.",
      },
      features: list(text, {
        minItems: 1,
        maxItems: 1000,
        description:
          "Views (`name@1`) and features (`name@1.feature`); all that the endpoint reads when it is left out.",
      }),
    },
    ["endpoint", "entities"],
    { additionalProperties: false },
  ),
  FeaturesResponse: object(
    {
      endpoint: text,
      service: text,
      at: { ...text, format: "date-time", description: "The moment of the read: ages count from it." },
      rows: count,
      views: list(
        object(
          {
            name: text,
            event_times: list(
              { type: ["string", "null"], format: "date-time" },
              { description: "By row when its values were true; of windows as of when they are known." },
            ),
            features: list(
              object(
                {
                  name: text,
                  values: list({ type: ["number", "string", "boolean", "null"] }, { description: "By row." }),
                  statuses: list({
                    enum: ["present", "null", "not_found", "outside_max_age", "unavailable"],
                  }),
                },
                ["name", "values", "statuses"],
              ),
            ),
          },
          ["name", "event_times", "features"],
        ),
      ),
    },
    ["endpoint", "service", "at", "rows", "views"],
  ),
  ChatRequest: textRequest({ messages: list({ type: "object", required: ["role"] }) }, "messages"),
  CompletionRequest: textRequest({ prompt: promptOrTokens }, "prompt"),
  EmbeddingRequest: object({ model: text, input: promptOrTokens }, ["model", "input"]),
  TextResponse: object(
    { id: text, model: text, choices: list({ type: "object" }), usage: ref("TextUsage") },
    ["choices"],
  ),
  EmbeddingResponse: object({ model: text, data: list({ type: "object" }), usage: ref("TextUsage") }, [
    "data",
  ]),
  TextUsage: object({ prompt_tokens: count, completion_tokens: count, total_tokens: count }, [
    "prompt_tokens",
  ]),
  TextProblem: object(
    {
      error: object({ message: text, type: text, param: { type: ["string", "null"] }, code: text }, [
        "message",
        "type",
      ]),
    },
    ["error"],
  ),
  FlagRequest: object(
    {
      context: {
        type: "object",
        properties: { targetingKey: { ...text, description: "Whose share is asked for." } },
      },
    },
    [],
  ),
  FlagEvaluation: object(
    {
      key: text,
      reason: { enum: ["STATIC", "DEFAULT", "TARGETING_MATCH", "SPLIT", "DISABLED"] },
      variant: text,
      value: { type: ["boolean", "string"] },
      metadata: { type: "object" },
    },
    ["key", "reason", "variant", "value"],
  ),
  FlagFailure: object({ key: text, errorCode: text, errorDetails: text }, ["errorCode"]),
  FlagEvaluations: object({ flags: list({ oneOf: [ref("FlagEvaluation"), ref("FlagFailure")] }) }, ["flags"]),
  RepositoryIndex: list(
    object({ name: text, version: text, state: { enum: ["READY", "UNAVAILABLE"] }, reason: text }, [
      "name",
      "version",
      "state",
      "reason",
    ]),
  ),
  RepositoryIndexRequest: object({ ready: { type: "boolean" } }, []),
  RepositoryChange: object({ parameters: { type: "object" } }, []),
  Duration: object({ count, ns: count }, ["count", "ns"]),
  Statistics: object({ model_stats: list(ref("ModelStatistics")) }, ["model_stats"]),
  ModelStatistics: object(
    {
      name: text,
      version: text,
      last_inference: { ...count, description: "Milliseconds since 1970; 0 before the first." },
      inference_count: { ...count, description: "Rows." },
      execution_count: { ...count, description: "Runs of the model." },
      inference_stats: durations([
        "success",
        "fail",
        "queue",
        "compute_input",
        "compute_infer",
        "compute_output",
        "cache_hit",
        "cache_miss",
      ]),
      batch_stats: list({
        ...durations(["compute_input", "compute_infer", "compute_output"]),
        description: "By `batch_size`.",
      }),
    },
    ["name", "version", "last_inference", "inference_count", "execution_count", "inference_stats"],
  ),
  ServerMetadata: object({ name: text, version: text, extensions: list(text) }, [
    "name",
    "version",
    "extensions",
  ]),
  Liveness: object({ live: { type: "boolean" } }, ["live"]),
  Readiness: object({ ready: { type: "boolean" }, problem: text }, ["ready"]),
  Alive: object({ status: text }, ["status"]),
  Problem: object(
    {
      error: { ...text, description: "What went wrong and how to mend it, for clients of the protocols." },
      type: text,
      title: text,
      status: { type: "integer" },
      code: { ...text, description: "Names its page under docs/errors." },
      detail: text,
      mend: text,
      instance: text,
    },
    ["error", "title", "status", "code"],
  ),
};

/** A request for text: what is read of it here. */
function textRequest(prompt: Record<string, JsonObject>, name: string): JsonObject {
  const bound = { type: "integer", minimum: 0 };
  const options = object({ include_usage: { type: "boolean" } }, []);
  const body = object(
    {
      model: { ...text, description: "Name of the endpoint." },
      ...prompt,
      prompt_variables: {
        type: "object",
        additionalProperties: { type: "string", maxLength: 65_536 },
        description:
          "A text for each variable of the template that the version's prompt has, and for no other.",
      },
      max_tokens: bound,
      max_completion_tokens: bound,
      n: { type: "integer", minimum: 0, maximum: 128 },
      stream: { type: "boolean" },
      stream_options: options,
    },
    ["model"],
  );
  return { ...body, anyOf: [{ required: [name] }, { required: ["prompt_variables"] }] };
}

function durations(names: readonly string[]): JsonObject {
  return object(Object.fromEntries(names.map((name) => [name, duration])), names);
}
