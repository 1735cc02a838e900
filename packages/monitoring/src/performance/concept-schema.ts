import { type Static, Type } from "@portolan/typebox";
import { Calibration } from "../estimate/estimate-schema.ts";

const Count = Type.Integer({ minimum: 0 });

/** How often a version was wrong in its first mature days. */
export const ConceptReference = Type.Object({
  task: Type.Enum(["binary", "classes", "regression", "ranking", "judged"]),
  cases: Count,
  wrong: Count,
  rate: Type.Number({
    description: "Upper end of the 95 % interval of their share: more is held to be a change",
  }),
  cutoff: Type.Union([Type.Number(), Type.Null()], {
    description:
      "Of quantities: farther than this from what happened is wrong. Of rankings: farther than this below a perfect one. Null: yes and no, or classes",
  }),
  calibration: Type.Union([Calibration, Type.Null()], {
    description: "What its scores meant; null where it is no yes and no, or the version had no profile then",
  }),
  from: Type.Integer({ description: "Arrival of its first predictions, epoch microseconds" }),
  to: Type.Integer({ description: "Exclusive" }),
  isKept: Type.Boolean({
    description: "False: made of this answer's stretch alone, and kept within the hour",
  }),
});
export type ConceptReference = Static<typeof ConceptReference>;

/** Whether predictions are wrong more often than they were in the reference, by outcomes in the order of their predictions. */
export const ConceptStanding = Type.Object({
  state: Type.Enum(["steady", "drifted"]),
  reference: ConceptReference,
  cases: Type.Integer({ minimum: 0, description: "Of mature days after the reference, within the stretch" }),
  wrong: Count,
  recent: Type.Object({ cases: Count, wrong: Count }, { description: "The newest 500 of them" }),
  evidence: Type.Number({
    description: "Value of the e-detector now; where it has drifted, as it was when that was found",
  }),
  bound: Type.Number({
    description: "From here on it has drifted: without a change that takes so many predictions on average",
  }),
  since: Type.Union([Type.Integer(), Type.Null()], {
    description: "Likeliest begin: arrival of a prediction, epoch microseconds; null where it is steady",
  }),
  foundAt: Type.Union([Type.Integer(), Type.Null()], {
    description: "Arrival of the prediction with which the bound was reached, epoch microseconds",
  }),
});
export type ConceptStanding = Static<typeof ConceptStanding>;
