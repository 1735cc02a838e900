import { type Static, Type } from "@portolan/typebox";

/** A ranking is one prediction: a request whose rows are the list. */
const Relevances = Type.Array(Type.Number({ minimum: 0 }), {
  minItems: 2,
  maxItems: 1000,
  description: "Of a ranking the relevance of each row of its request, in their order",
});

/**
 * Label that arrived later. Of a prediction's labels the one of the highest revision counts, in whatever order they come; a correction is
 * a higher revision with another outcome, a retraction one without.
 */
export const Outcome = Type.Object({
  predictionId: Type.String({ maxLength: 120, description: "Prediction that came true or not" }),
  outcome: Type.Optional(
    Type.Union([Type.Number(), Type.Boolean(), Type.String({ maxLength: 1000 }), Relevances], {
      description: "What really happened; absent in a retraction",
    }),
  ),
  observedAt: Type.String({ maxLength: 40, description: "RFC 3339 with an offset" }),
  revision: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 2 ** 31 - 1,
      description: "1 when absent; a correction or a retraction has a higher one",
    }),
  ),
  retracted: Type.Optional(
    Type.Boolean({ description: "True: what was reported of the prediction before is withdrawn" }),
  ),
});
export type Outcome = Static<typeof Outcome>;
