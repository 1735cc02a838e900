import { type Static, Type } from "@portolan/typebox";
import { FeatureValue, PredictionHeader, type StoredPrediction } from "../contract.ts";

const Body = Type.Object({
  mediaType: Type.String(),
  /** The body as text when it is valid UTF-8, as received. */
  text: Type.Optional(Type.String()),
  /** Else in base64. */
  base64: Type.Optional(Type.String()),
});

export const PredictionView = Type.Object({
  header: PredictionHeader,
  withheld: Type.Optional(Type.Union([Type.Literal("erased"), Type.Literal("no_space")])),
  inputs: Type.Optional(Body),
  outputs: Type.Optional(Body),
  features: Type.Optional(Type.Array(FeatureValue)),
  onBehalfOf: Type.Optional(Type.String()),
  subject: Type.Optional(Type.String()),
});
export type PredictionView = Static<typeof PredictionView>;

export function viewPrediction({ header, payload, withheld }: StoredPrediction): PredictionView {
  const { inputs, outputs, features, onBehalfOf, subject } = payload ?? {};
  return {
    header,
    ...(withheld === undefined ? {} : { withheld }),
    ...(inputs === undefined ? {} : { inputs: viewBody(inputs) }),
    ...(outputs === undefined ? {} : { outputs: viewBody(outputs) }),
    ...(features === undefined ? {} : { features: [...features] }),
    ...(onBehalfOf === undefined ? {} : { onBehalfOf }),
    ...(subject === undefined ? {} : { subject }),
  };
}

function viewBody(body: { readonly mediaType: string; readonly bytes: Uint8Array }): Static<typeof Body> {
  const bytes = Buffer.from(body.bytes);
  const text = bytes.toString("utf8");
  const same = Buffer.from(text).equals(bytes);
  return same
    ? { mediaType: body.mediaType, text }
    : { mediaType: body.mediaType, base64: bytes.toString("base64") };
}
