import type { JsonObject } from "@portolan/kernel";
import protobuf from "protobufjs";
import { healthProto, inferenceProto } from "./inference-proto.ts";

const { root } = protobuf.parse(inferenceProto, { keepCase: true });
protobuf.parse(healthProto, root, { keepCase: true });

/** One protobuf message type as plain objects: 64-bit integers are `bigint`, absent fields have proto3's defaults. */
export interface MessageCodec<Message extends object> {
  /** @throws Error when the bytes are not such a message */
  decode(bytes: Uint8Array): Message;
  encode(message: Message): Uint8Array;
}

/** @param isPlain enums are names and objects are plain JSON: converted field by field, for messages off the hot path */
function codec<Message extends object>(name: string, isPlain = false): MessageCodec<Message> {
  const type = root.lookupType(name.includes(".") ? name : `inference.${name}`);
  return {
    // The type's fields are those of the interface beside it; the foreign client's test compares both.
    decode: (bytes) => type.decode(bytes) as unknown as Message,
    encode: (message) => type.encode(isPlain ? type.fromObject(message) : message).finish(),
  };
}

/** protobufjs' 64-bit integer: a `Long` when read; numbers and Longs are both written. */
export type Int64 = number | Long64;
export interface Long64 {
  readonly low: number;
  readonly high: number;
  readonly unsigned: boolean;
}

export function bigintOf(value: Int64): bigint {
  if (typeof value === "number") return BigInt(value);
  const high = value.unsigned ? BigInt(value.high >>> 0) : BigInt(value.high);
  return (high << 32n) | BigInt(value.low >>> 0);
}

export function longOf(value: bigint, unsigned: boolean): Long64 {
  return { low: Number(BigInt.asIntN(32, value)), high: Number(BigInt.asIntN(32, value >> 32n)), unsigned };
}

export interface ParameterMessage {
  readonly parameter_choice?: string;
  readonly bool_param?: boolean;
  readonly int64_param?: Int64;
  readonly string_param?: string;
  readonly double_param?: number;
  readonly uint64_param?: Int64;
}

export interface ContentsMessage {
  readonly bool_contents?: readonly boolean[];
  readonly int_contents?: readonly number[];
  readonly int64_contents?: readonly Int64[];
  readonly uint_contents?: readonly number[];
  readonly uint64_contents?: readonly Int64[];
  readonly fp32_contents?: readonly number[];
  readonly fp64_contents?: readonly number[];
  readonly bytes_contents?: readonly Uint8Array[];
}

export interface TensorMessage {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly Int64[];
  readonly parameters?: Readonly<Record<string, ParameterMessage>>;
  readonly contents?: ContentsMessage | null;
}

export interface InferRequestMessage {
  readonly model_name: string;
  readonly model_version: string;
  readonly id: string;
  readonly parameters: Readonly<Record<string, ParameterMessage | null>>;
  readonly inputs: readonly TensorMessage[];
  readonly outputs: readonly { readonly name: string }[];
  readonly raw_input_contents: readonly Uint8Array[];
}

export interface InferResponseMessage {
  readonly model_name: string;
  readonly model_version: string;
  readonly id: string;
  readonly parameters: Readonly<Record<string, ParameterMessage>>;
  readonly outputs: readonly TensorMessage[];
  readonly raw_output_contents: readonly Uint8Array[];
}

export interface ModelTarget {
  readonly name: string;
  readonly version: string;
}

export interface RepositoryRequest {
  readonly model_name: string;
  readonly parameters: Readonly<Record<string, unknown>>;
}

type Empty = Record<string, never>;

/** Every message that a server of the protocol reads or writes. */
export const messages = {
  empty: codec<Empty>("ServerLiveRequest"),
  live: codec<{ live: boolean }>("ServerLiveResponse"),
  ready: codec<{ ready: boolean }>("ModelReadyResponse"),
  target: codec<ModelTarget>("ModelMetadataRequest"),
  serverMetadata: codec<object>("ServerMetadataResponse"),
  modelMetadata: codec<JsonObject>("ModelMetadataResponse", true),
  modelConfig: codec<JsonObject>("ModelConfigResponse", true),
  statistics: codec<JsonObject>("ModelStatisticsResponse", true),
  indexRequest: codec<{ readonly ready: boolean }>("RepositoryIndexRequest"),
  index: codec<JsonObject>("RepositoryIndexResponse", true),
  repository: codec<RepositoryRequest>("RepositoryModelLoadRequest"),
  healthRequest: codec<Empty>("grpc.health.v1.HealthCheckRequest"),
  health: codec<{ readonly status: number }>("grpc.health.v1.HealthCheckResponse"),
  inferRequest: codec<InferRequestMessage>("ModelInferRequest"),
  inferResponse: codec<InferResponseMessage>("ModelInferResponse"),
  streamResponse: codec<{ error_message?: string; infer_response?: InferResponseMessage }>(
    "ModelStreamInferResponse",
  ),
} as const;

/**
 * The model and version that a `ModelInferRequest` names, without reading its tensors: whether the caller may ask at
 * all is decided before anything of that size is built.
 *
 * @throws Error when the bytes are not a message
 */
export function peekInferTarget(bytes: Uint8Array): ModelTarget {
  const reader = protobuf.Reader.create(bytes);
  let name = "";
  let version = "";
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === nameTag) name = reader.string();
    else if (tag === versionTag) version = reader.string();
    else reader.skipType(tag & 7);
  }
  return { name, version };
}

/** Fields 1 and 2, length-delimited. */
const nameTag = (1 << 3) | 2;
const versionTag = (2 << 3) | 2;

/** Field names, numbers and types of every message, for comparison with other definitions of the protocol. */
export function protoFields(): Record<
  string,
  Record<string, { readonly id: number; readonly type: string }>
> {
  const out: Record<string, Record<string, { id: number; type: string }>> = {};
  const visit = (item: protobuf.ReflectionObject, path: string): void => {
    if (item instanceof protobuf.Type)
      out[path] = Object.fromEntries(
        item.fieldsArray.map((field) => [field.name, { id: field.id, type: field.type }]),
      );
    if (item instanceof protobuf.Namespace)
      for (const inner of item.nestedArray) visit(inner, path === "" ? inner.name : `${path}.${inner.name}`);
  };
  const space = root.lookup("inference");
  if (space) visit(space, "");
  return out;
}
