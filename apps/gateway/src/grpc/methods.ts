import { isPortolanError, type JsonObject } from "@portolan/kernel";
import {
  badRequest,
  inferResponseMessage,
  type MessageCodec,
  messages,
  readGrpcInfer,
  readInferTarget,
  serverMetadata,
} from "@portolan/serving/policy";
import { ageMsOf, type HandleDeps, inferNow, readinessProblem, refuse } from "../handle.ts";
import { errorAnswer, fault } from "../http/answers.ts";
import type { CallerGone } from "../http/caller-gone.ts";
import type { InferCall } from "../infer/infer-call.ts";
import {
  configOf,
  indexOf,
  judgeRepositoryChange,
  metadataOf,
  readinessOf,
  statisticsOf,
} from "../models/describe-models.ts";
import { type Asking, visibleModel, visibleModels } from "../models/visible-models.ts";
import { type ActiveRoute, addressable } from "../snapshot/serving-state.ts";
import { detailsOf, type GrpcAnswer, ofAnswer, ok } from "./grpc-answer.ts";

export interface GrpcRequest extends Asking {
  /** Watches whether the call is called off. */
  readonly watchCaller: () => CallerGone;
  readonly message: Uint8Array;
}

type Unary = { readonly kind: "unary"; readonly answer: (request: GrpcRequest) => Promise<GrpcAnswer> };
type Stream = { readonly kind: "stream"; readonly answer: (request: GrpcRequest) => Promise<Uint8Array> };

/** Methods by service and name. */
export type GrpcMethods = Readonly<Record<string, Readonly<Record<string, Unary | Stream>>>>;

const mediaType = "application/grpc";

/** `inference.GRPCInferenceService` and `grpc.health.v1.Health` over the same decisions as REST. */
export function grpcMethods(deps: HandleDeps): GrpcMethods {
  return {
    "inference.GRPCInferenceService": {
      ...serverMethods(deps),
      ...modelMethods(deps),
      ...inferMethods(deps),
    },
    "grpc.health.v1.Health": {
      Check: unary(messages.healthRequest, messages.health, async () => ({
        status: readinessProblem(deps) === undefined ? 1 : 2,
      })),
    },
  };
}

function serverMethods(deps: HandleDeps): Record<string, Unary> {
  return {
    ServerLive: unary(messages.empty, messages.live, async () => ({ live: true })),
    ServerReady: unary(messages.empty, messages.ready, async () => ({
      ready: readinessProblem(deps) === undefined,
    })),
    ServerMetadata: unary(messages.empty, messages.serverMetadata, async () => serverMetadata(deps.version)),
  };
}

function modelMethods(deps: HandleDeps): Record<string, Unary> {
  const one = (asking: Asking, { name, version }: { name: string; version: string }): Promise<ActiveRoute> =>
    visibleModel(deps, asking, { model: name, ...(version === "" ? {} : { version }) });
  const about = (response: MessageCodec<JsonObject>, describe: (active: ActiveRoute) => JsonObject): Unary =>
    unary(messages.target, response, async (target, asking) => describe(await one(asking, target)));
  const change = (kind: "load" | "unload"): Unary =>
    unary(messages.repository, messages.empty, async (request, asking) => {
      const active = await visibleModel(deps, asking, { model: request.model_name });
      judgeRepositoryChange(active, kind, Object.keys(request.parameters).length > 0, ageMsOf(deps));
      return {};
    });
  const methods: Record<string, Unary> = {
    ModelReady: about(messages.ready, (active) => ({ ready: readinessOf(active, ageMsOf(deps)).ready })),
    ModelMetadata: about(messages.modelMetadata, metadataOf),
    ModelConfig: about(messages.modelConfig, (active) => ({ config: configOf(active) })),
    ModelStatistics: unary(messages.target, messages.statistics, async (target, asking) => {
      const actives = target.name === "" ? await visibleModels(deps, asking) : [await one(asking, target)];
      const versions = target.version === "" ? actives.flatMap(addressable) : actives;
      return statisticsOf(versions, deps.statistics);
    }),
    RepositoryIndex: unary(messages.indexRequest, messages.index, async ({ ready }, asking) => ({
      models: indexOf(await visibleModels(deps, asking), ready, ageMsOf(deps)).map((entry) => ({ ...entry })),
    })),
    RepositoryModelLoad: change("load"),
    RepositoryModelUnload: change("unload"),
  };
  const guarded = Object.fromEntries(
    Object.entries(methods).map(([name, { answer }]) => [name, recorded(deps, answer)]),
  );
  return { ...guarded, ModelReady: unknownIsNotReady(guarded["ModelReady"]) };
}

/** Clients of Triton ask `is_model_ready` of models that may not exist, and expect no error. */
function unknownIsNotReady(method: Unary | undefined): Unary {
  return {
    kind: "unary",
    async answer(request) {
      try {
        return (await method?.answer(request)) ?? notReady();
      } catch (error) {
        if (isPortolanError(error) && error.code === "serving.endpoint_not_found") return notReady();
        throw error;
      }
    },
  };
}

function notReady(): GrpcAnswer {
  return ok(messages.ready.encode({ ready: false }));
}

/** A question that is refused leaves its record, as over REST. */
function recorded(deps: HandleDeps, answer: Unary["answer"]): Unary {
  return {
    kind: "unary",
    async answer(request) {
      try {
        return await answer(request);
      } catch (error) {
        await refuse(deps, request, error);
        throw error;
      }
    },
  };
}

function inferMethods(deps: HandleDeps): Record<string, Unary | Stream> {
  const inferOf = async (request: GrpcRequest) => {
    let call: InferCall;
    try {
      call = inferCall(request);
    } catch (error) {
      return refuse(deps, request, error);
    }
    return inferNow(deps, call);
  };
  return {
    ModelInfer: {
      kind: "unary",
      answer: async (request) => ofAnswer(await inferOf(request)),
    },
    ModelStreamInfer: {
      kind: "stream",
      async answer(request) {
        const answer = await inferOf(request).catch((error: unknown) => errorAnswer(error, ""));
        return answer.status === 200 && typeof answer.body !== "string"
          ? messages.streamResponse.encode({ infer_response: messages.inferResponse.decode(answer.body) })
          : messages.streamResponse.encode({ error_message: detailsOf(answer) });
      },
    },
  };
}

function unary<Request extends object, Response extends object>(
  request: MessageCodec<Request>,
  response: MessageCodec<Response>,
  answer: (message: Request, asking: Asking) => Promise<Response>,
): Unary {
  return {
    kind: "unary",
    async answer(call) {
      let message: Request;
      try {
        message = request.decode(call.message);
      } catch {
        throw badRequest(
          "The message is not of this call's type.",
          "",
          "Generate the client from the .proto.",
        );
      }
      return ok(response.encode(await answer(message, call)));
    },
  };
}

/** @throws PortolanError `serving.bad_request` when the message names no model, as it cannot be read */
function inferCall(request: GrpcRequest): InferCall {
  const { name, version } = readInferTarget(request.message);
  return {
    model: name,
    ...(version === "" ? {} : { version }),
    remoteAddress: request.remoteAddress,
    ...(request.certificate ? { certificate: request.certificate } : {}),
    headers: request.headers,
    watchCaller: request.watchCaller,
    mediaType,
    async readBody(maxBytes) {
      if (request.message.length > maxBytes)
        throw fault(
          "serving.body_too_large",
          `The message exceeds ${maxBytes} bytes.`,
          "Send fewer rows at a time.",
        );
      return request.message;
    },
    read: readGrpcInfer,
    write: (answer, { outputs }) => ({
      body: messages.inferResponse.encode(inferResponseMessage(answer, outputs)),
      contentType: mediaType,
      headers: {},
    }),
  };
}
