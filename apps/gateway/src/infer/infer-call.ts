import type { IncomingHttpHeaders } from "node:http";
import type { ModelSignature } from "@portolan/onnx-format";
import type { BytesForm, InferAnswer, InferRequest } from "@portolan/serving/policy";
import type { CallerGone } from "../http/caller-gone.ts";
import type { CredentialSource } from "./authenticate.ts";

/** An answer in a protocol's own bytes. */
export interface WrittenAnswer {
  readonly body: Uint8Array;
  readonly contentType: string;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * One inference as a protocol hands it over: REST v2, V1 and gRPC are three makers of this, and what happens between
 * reading and writing is the same for all.
 */
export interface InferCall {
  readonly model: string;
  readonly version?: string;
  readonly remoteAddress: string;
  /** Stands for the connection that it came by, where there is one. */
  readonly connection?: object;
  readonly certificate?: CredentialSource["certificate"];
  /** HTTP headers; gRPC metadata have the same names. */
  readonly headers: IncomingHttpHeaders;
  /** Watches whether the caller is still there. */
  readonly watchCaller: () => CallerGone;
  /** Media type under which the body goes on the record. */
  readonly mediaType: string;
  /** The whole body, uncompressed. */
  readonly readBody: (maxBytes: number) => Promise<Uint8Array>;
  /** @throws PortolanError `serving.bad_request` */
  readonly read: (body: Uint8Array, signature: ModelSignature, bytesForm: BytesForm) => InferRequest;
  readonly write: (answer: InferAnswer, request: InferRequest) => WrittenAnswer;
}
