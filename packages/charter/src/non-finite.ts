import { Type } from "@portolan/typebox";
import { closed, OneOf } from "./schema-parts.ts";

/** What becomes of NaN and infinities; `missing`: they count as values that are absent. */
export const nonFinitePolicies = ["refuse", "missing", "fallback"] as const;
export type NonFinitePolicy = (typeof nonFinitePolicies)[number];

export const NonFinite = Type.Object(
  {
    inputs: Type.Optional(
      OneOf(
        nonFinitePolicies,
        "In a request: refuse it (the default), take the value for a missing one, or answer by the fallback.",
      ),
    ),
    outputs: Type.Optional(
      OneOf(
        nonFinitePolicies,
        "In a model's answer: refuse to give it out (the default), give out NaN for a missing value where the encoding has it, or answer by the fallback.",
      ),
    ),
  },
  { ...closed, description: "What becomes of NaN and infinities." },
);

/** What a charter's word on NaN and infinities means, for people. */
export const nonFiniteStatements = {
  inputs: {
    refuse: "A request with NaN or infinity is refused.",
    missing: "NaN and infinity in a request count as missing values.",
    fallback: "The fallback answers requests with NaN or infinity.",
  },
  outputs: {
    refuse: "An answer with NaN or infinity is not given out.",
    missing: "NaN in an answer stands for a missing value.",
    fallback: "The fallback answers where the model says NaN or infinity.",
  },
} as const;
