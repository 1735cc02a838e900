import { type Static, Type } from "@portolan/typebox";
import { Interval } from "../../evidence-shapes.ts";

/** What a judge says of an answer; `none`: neither, or nothing in time. */
export const verdicts = ["faithful", "unfaithful", "none"] as const;
export type Verdict = (typeof verdicts)[number];

/** How many answers a judge finds faithful to their source, and how often the judge itself is wrong. */
export const FaithfulnessReport = Type.Object({
  judge: Type.Object({
    model: Type.String(),
    version: Type.Integer(),
    artifact: Type.String({ description: "Digest of the version's description" }),
    prompt: Type.String({
      description: "Digest of the question that it is asked, without source and answer",
    }),
  }),
  judged: Type.Integer({
    description: "Cases with a source; one without an answer or a verdict is not faithful",
  }),
  faithful: Type.Integer(),
  interval: Interval,
  labelled: Type.Integer({ description: "Answers of the set that people labelled" }),
  wrong: Type.Integer({ description: "Of them those that the judge labels otherwise, or not at all" }),
  passedWrongly: Type.Integer({ description: "Of them those that it finds faithful, and people do not" }),
  error: Type.Optional(
    Type.Object(
      { share: Type.Number(), interval: Interval },
      { description: "Of the judge; absent where the set has no labelled answers" },
    ),
  ),
  replayed: Type.Integer({
    description: "Verdicts that had been given before, and were not asked for again",
  }),
});
export type FaithfulnessReport = Static<typeof FaithfulnessReport>;
