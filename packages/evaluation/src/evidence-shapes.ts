import { type Static, Type } from "@portolan/typebox";

export const Interval = Type.Object({ low: Type.Number(), high: Type.Number(), level: Type.Number() });
export type Interval = Static<typeof Interval>;

export const GateResult = Type.Object({
  gate: Type.String(),
  passed: Type.Boolean(),
  observed: Type.String(),
  required: Type.String(),
});
export type GateResult = Static<typeof GateResult>;

/** Whether the rows of an evaluation are shown to be none that the model learned from, and why. */
export const HeldOut = Type.Object({ shown: Type.Boolean(), because: Type.String() });
export type HeldOut = Static<typeof HeldOut>;
