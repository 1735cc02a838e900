import { type Environment, environments } from "@portolan/kernel";
import { type Datatype, datatypes } from "@portolan/onnx-format";
import { type Static, Type } from "@portolan/typebox";

const closed = { additionalProperties: false } as const;
export const Sha256 = Type.String({ pattern: "^sha256:[0-9a-f]{64}$" });
// `Unsafe` names the static type: a union over a mapped list is inferred as `never`.
export const EnvironmentName = Type.Unsafe<Environment>(
  Type.Union(environments.map((name) => Type.Literal(name))),
);
const DatatypeName = Type.Unsafe<Datatype>(Type.Union(datatypes.map((name) => Type.Literal(name))));
export const Micros = Type.Integer({ description: "Epoch microseconds" });

const Tensor = Type.Object(
  {
    name: Type.String(),
    datatype: DatatypeName,
    shape: Type.Array(Type.Integer({ minimum: -1 })),
    symbols: Type.Optional(Type.Array(Type.Union([Type.String(), Type.Null()]))),
  },
  closed,
);
const Signature = Type.Object({ inputs: Type.Array(Tensor), outputs: Type.Array(Tensor) }, closed);

/** Where a version runs that another server runs: what a charter and a gateway judge before anything is sent there. */
const UpstreamPlace = Type.Object(
  {
    protocol: Type.Union(
      [Type.Literal("open-inference"), Type.Literal("open-inference-grpc"), Type.Literal("openai")],
      { description: "open-inference, open-inference-grpc: tensors; openai: text" },
    ),
    region: Type.String({ minLength: 1, maxLength: 64 }),
    owner: Type.String({ minLength: 1, maxLength: 64 }),
    environments: Type.Array(EnvironmentName, { minItems: 1, description: "What it may serve" }),
  },
  closed,
);
export type UpstreamPlace = Static<typeof UpstreamPlace>;

/** A bundle with a signed statement, and when the registry says that it was signed. */
export const SignedStatement = Type.Object({ digest: Sha256, signedAt: Micros }, closed);
export type SignedStatement = Static<typeof SignedStatement>;

export const ModelReference = Type.Object(
  {
    name: Type.String(),
    version: Type.Integer({ minimum: 1 }),
    digest: Sha256,
    sizeBytes: Type.Integer({ minimum: 1 }),
    bundle: SignedStatement,
    signature: Signature,
    origin: Type.Union([Type.Literal("trained"), Type.Literal("imported")], {
      description: "An imported model runs in a runner process until it has earned more",
    }),
    upstream: Type.Optional(UpstreamPlace),
    prompt: Type.Optional(
      Type.String({
        pattern: "^sha256:[0-9a-f]{64}$",
        description: "Prompt of a text version: signed and fetched like its description",
      }),
    ),
    attestations: Type.Optional(
      Type.Array(SignedStatement, {
        minItems: 1,
        maxItems: 128,
        description:
          "The promotion to the route's environment and what it rests on; absent for dev, and where nothing is attested yet",
      }),
    ),
  },
  closed,
);
export type ModelReference = Static<typeof ModelReference>;
