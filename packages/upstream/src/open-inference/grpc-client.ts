import { status } from "@grpc/grpc-js";
import {
  bigintOf,
  messages,
  type ModelTarget as NamedModel,
  type RunOutcome,
  readGrpcAnswer,
  writeGrpcInfer,
} from "@portolan/serving/policy";
import type { UpstreamAccess } from "../access.ts";
import { mostAnswerBytes, type UpstreamAddress } from "../connection.ts";
import type { CredentialUse } from "../credentials.ts";
import { GrpcChannel, GrpcRefusal } from "../grpc/grpc-channel.ts";
import {
  type AskedInference,
  answerOf,
  answerTooLarge,
  type InferenceClient,
  upstreamBusy,
} from "./inference-client.ts";
import { factsOf, type ModelFacts, type ModelTarget, metadataRefused } from "./model-facts.ts";

const service = "/inference.GRPCInferenceService";

/** @throws PortolanError `upstream.address_refused` */
export function openGrpcInference(
  server: UpstreamAddress & ModelTarget,
  access: UpstreamAccess,
  use: CredentialUse | undefined,
): InferenceClient {
  return new GrpcInferenceClient(new GrpcChannel(server, access, use), server);
}

/** The protocol's gRPC form: tensors go raw. */
class GrpcInferenceClient implements InferenceClient {
  readonly #channel: GrpcChannel;
  readonly #target: NamedModel;

  constructor(channel: GrpcChannel, { model, version }: ModelTarget) {
    this.#channel = channel;
    this.#target = { name: model, version: version ?? "" };
  }

  async infer(asked: AskedInference): Promise<RunOutcome> {
    const startMs = performance.now();
    const { inputs, registered, timeoutMs, ...how } = asked;
    try {
      const message = writeGrpcInfer(this.#target, inputs);
      const call = { method: `${service}/ModelInfer`, message, timeoutMs, ...how };
      const answer = await this.#channel.request(call);
      return answerOf(startMs, () => readGrpcAnswer(answer, registered.signature));
    } catch (error) {
      if (!(error instanceof GrpcRefusal) || how.signal.aborted) throw error;
      return refused(error);
    }
  }

  async requireReady(timeoutMs: number): Promise<void> {
    const answer = await this.#check("ModelReady", timeoutMs);
    if (!messages.ready.decode(answer).ready) throw new Error("ModelReady answered that it is not");
  }

  async facts(timeoutMs: number): Promise<ModelFacts> {
    let answer: Uint8Array;
    try {
      answer = await this.#check("ModelMetadata", timeoutMs);
    } catch (error) {
      if (!(error instanceof GrpcRefusal) || !error.isSaid) throw error;
      throw metadataRefused(status[error.status] ?? String(error.status), this.#target.name);
    }
    const { inputs, outputs } = messages.modelMetadata.decode(answer) as unknown as DecodedMetadata;
    const plain = ({ name, datatype, shape }: DecodedTensor) => ({
      name,
      datatype,
      shape: shape.map((dim) => Number(bigintOf(dim))),
    });
    const described = { inputs: inputs.map(plain), outputs: outputs.map(plain) };
    return factsOf(described, true, this.#target.name);
  }

  renewCredential(): Promise<void> {
    return this.#channel.renewCredential();
  }

  close(): Promise<void> {
    return this.#channel.close();
  }

  async destroy(): Promise<void> {
    this.#channel.destroy();
  }

  #check(method: "ModelReady" | "ModelMetadata", timeoutMs: number): Promise<Uint8Array> {
    const message = messages.target.encode(this.#target);
    const signal = AbortSignal.timeout(timeoutMs);
    return this.#channel.check({ method: `${service}/${method}`, message, timeoutMs, signal });
  }
}

interface DecodedTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly Parameters<typeof bigintOf>[0][];
}
interface DecodedMetadata {
  readonly inputs: readonly DecodedTensor[];
  readonly outputs: readonly DecodedTensor[];
}

/** What the statuses say of the request, and of the server: as REST's, by the protocol's own table of both. */
function refused({ status: code, details, isSaid, isAtOnce }: GrpcRefusal): RunOutcome {
  switch (code) {
    case status.INVALID_ARGUMENT:
    case status.OUT_OF_RANGE:
      return { kind: "failed", detail: details === "" ? `the upstream answered ${status[code]}` : details };
    case status.RESOURCE_EXHAUSTED:
      // The one status for too many requests and for a message that is too long; every implementation's words tell them apart.
      if (!/message.*(larger than|exceeds)/i.test(details)) return upstreamBusy;
      // Our own bound's words are the library's; the server's say that it does not take the request.
      return details.includes(String(mostAnswerBytes)) ? answerTooLarge : { kind: "failed", detail: details };
    case status.DEADLINE_EXCEEDED:
      return { kind: "timeout" };
    default:
      return {
        kind: "unavailable",
        detail: isSaid
          ? `The upstream answered ${status[code] ?? code}.`
          : "The upstream cannot be reached, or broke off.",
        ...(isAtOnce && code === status.UNAVAILABLE ? { isBusy: true } : {}),
      };
  }
}
