import { type Static, Type } from "@portolan/typebox";

export const TrainingLog = Type.Object({
  log: Type.String({ description: "What the trainer wrote from `after` on, a mebibyte at most" }),
  nextByte: Type.Integer({ description: "Where it goes on: `after` of the next question" }),
  isOver: Type.Boolean({ description: "Nothing more will come" }),
});
export type TrainingLog = Static<typeof TrainingLog>;
