import { canonicalBytes, environments } from "@portolan/kernel";
import { datatypes } from "@portolan/onnx-format";
import { Compile, type Static, Type } from "@portolan/typebox";

/** File name of the description inside the signed folder of a version that another server runs. */
export const upstreamFileName = "upstream.json";
const upstreamFormat = "portolan.upstream/1";

/** What an OpenAI-compatible server is asked for. */
export const textOperations = ["chat", "completions", "embeddings"] as const;
export type TextOperation = (typeof textOperations)[number];

/** What servers elsewhere are spoken to in: tensors over REST or gRPC, or text. */
export const upstreamProtocols = ["open-inference", "open-inference-grpc", "openai"] as const;

const closed = { additionalProperties: false } as const;
const Word = (description: string) =>
  Type.String({ minLength: 1, maxLength: 60, pattern: "^[^\\s]+$", description });

/** Where another server runs a model, as whoever registers it states it. Never a secret: a credential is named only. */
export const StatedUpstream = Type.Object(
  {
    protocol: Type.Enum([...upstreamProtocols], {
      description:
        "open-inference: REST v2, as Triton, KServe or another gateway speak it; open-inference-grpc: the same over gRPC; openai: chat, completions, embeddings, as vLLM speaks them",
    }),
    url: Type.String({
      maxLength: 500,
      pattern: "^https?://[^\\s?#]+$",
      description: "Base address, before /v2 or /v1; open-inference-grpc: scheme, host and port alone",
    }),
    model: Type.String({ minLength: 1, maxLength: 200, description: "Name of the model at that server" }),
    version: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 64,
        description: "Its version there; absent: the one that the server serves",
      }),
    ),
    region: Word("Region in which that server stands, for residency rules"),
    owner: Word("Who owns its machines: `self`, or the provider's name"),
    environments: Type.Optional(
      Type.Array(Type.Enum([...environments]), {
        minItems: 1,
        uniqueItems: true,
        description: "Environments that it may serve; absent: all",
      }),
    ),
    credential: Type.Optional(
      Type.String({
        pattern: "^[a-z0-9][a-z0-9._-]{0,63}$",
        description: "Name of the credential in the gateways' own UPSTREAM_CREDENTIALS folder",
      }),
    ),
    operations: Type.Optional(
      Type.Array(Type.Enum([...textOperations]), {
        minItems: 1,
        uniqueItems: true,
        description: "openai: what it is asked for; absent: chat and completions",
      }),
    ),
  },
  closed,
);
export type StatedUpstream = Static<typeof StatedUpstream>;

const Tensor = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 200 }),
    datatype: Type.Enum([...datatypes]),
    shape: Type.Array(Type.Integer({ minimum: -1 }), { maxItems: 16 }),
  },
  closed,
);

/** What the server itself said of the model when it was registered. */
export const FoundUpstream = Type.Object(
  {
    signature: Type.Object(
      { inputs: Type.Array(Tensor, { maxItems: 256 }), outputs: Type.Array(Tensor, { maxItems: 256 }) },
      { ...closed, description: "What it takes and gives; openai: empty" },
    ),
    binaryTensors: Type.Boolean({
      description: "It takes and gives tensors as bytes: the binary tensor extension, or gRPC",
    }),
    contextTokens: Type.Optional(
      Type.Integer({ minimum: 1, description: "Most tokens of prompt and answer together" }),
    ),
  },
  closed,
);
export type FoundUpstream = Static<typeof FoundUpstream>;

/** Who registered it, by ids: what its credential may be used for is judged by them wherever it is loaded. */
export const UpstreamHolder = Type.Object(
  {
    organisationId: Type.String({ minLength: 1, maxLength: 64 }),
    useCaseId: Type.String({ minLength: 1, maxLength: 64 }),
  },
  closed,
);
export type UpstreamHolder = Static<typeof UpstreamHolder>;

/** The signed content of such a version: its canonical JSON is the artifact, and its digest the version's. */
export const UpstreamDescription = Type.Object(
  {
    format: Type.Literal(upstreamFormat),
    ...StatedUpstream.properties,
    ...FoundUpstream.properties,
    prompt: Type.Optional(
      Type.String({
        pattern: "^sha256:[0-9a-f]{64}$",
        description: "Digest of the prompt beside it; whoever runs the version must have those bytes",
      }),
    ),
    // Of those that name a credential; without it theirs is refused.
    registeredFor: Type.Optional(UpstreamHolder),
  },
  closed,
);
export type UpstreamDescription = Static<typeof UpstreamDescription>;

const shape = Compile(UpstreamDescription);

/**
 * The artifact of a version that another server runs. The same words give the same bytes. Pure.
 * @param prompt digest of its prompt: another prompt makes another artifact
 */
export function encodeUpstream(
  stated: StatedUpstream,
  found: FoundUpstream,
  { organisationId, useCaseId }: UpstreamHolder,
  prompt?: string,
): Uint8Array {
  const registeredFor = { organisationId, useCaseId };
  return canonicalBytes({
    format: upstreamFormat,
    ...stated,
    ...found,
    ...(prompt === undefined ? {} : { prompt }),
    ...(stated.credential === undefined ? {} : { registeredFor }),
  });
}

/** @returns `undefined` for bytes that are no description */
export function readUpstream(bytes: Uint8Array): UpstreamDescription | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString("utf8"));
    return shape.Check(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
