import { type Static, Type } from "@portolan/typebox";
import { type Fact, fact } from "./fact.ts";
import { closed } from "./schema-parts.ts";

export const Privacy = Type.Object(
  {
    maximumEpsilon: Type.Number({
      exclusiveMinimum: 0,
      maximum: 100,
      description: "Largest ε of the training run; computed by Portolan from what the run was asked to do.",
    }),
    delta: Type.Number({
      exclusiveMinimum: 0,
      maximum: 0.001,
      description:
        "The δ at which ε is computed: well below one over the number of rows, or single rows may come out whole.",
    }),
  },
  {
    ...closed,
    description:
      "Differential privacy that training must keep, for each row that is added or removed. A version with a larger loss, or with none that is known, is not released.",
  },
);
export type PrivacyTerms = Static<typeof Privacy>;

/** What the bound becomes, for people. Pure. */
export function privacyFacts(privacy: PrivacyTerms | undefined): Fact[] {
  if (!privacy) return [];
  const { maximumEpsilon, delta } = privacy;
  return [
    fact(
      "privacy_gate",
      "gate",
      "/requirements/privacy",
      `A version whose training is not (${maximumEpsilon}, ${delta})-differentially private, by the run on record, is not released.`,
      { maximumEpsilon, delta },
    ),
  ];
}
