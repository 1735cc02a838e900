import { type Static, Type } from "@portolan/typebox";
import { type Fact, fact } from "./fact.ts";
import type { Finding } from "./schema-findings.ts";
import { closed } from "./schema-parts.ts";
import { PercentText, parsePercent } from "./unit-texts.ts";

export const Faithfulness = Type.Object(
  {
    floor: PercentText(
      "Smallest share of answers that a judge finds faithful to their source, at the lower end of its 95 % interval.",
    ),
    maximumJudgeError: PercentText(
      "Largest share of the set's labelled answers that the judge gets wrong, at the upper end of its 95 % interval.",
    ),
  },
  { ...closed, description: "Whether answers say what their source says, by the word of another model." },
);

/** Shares. */
export interface FaithfulnessTerms {
  readonly floor: number;
  readonly maximumJudgeError: number;
}

/** Pure. */
export function faithfulnessTerms({
  floor,
  maximumJudgeError,
}: Static<typeof Faithfulness>): FaithfulnessTerms {
  return { floor: parsePercent(floor), maximumJudgeError: parsePercent(maximumJudgeError) };
}

const at = "/requirements/faithfulness";

/** For people. Pure. */
export function faithfulnessFacts(stated: Static<typeof Faithfulness> | undefined): Fact[] {
  if (!stated) return [];
  const { floor, maximumJudgeError } = stated;
  const statement = `A version of whose answers fewer than ${floor} are found faithful to their source, by a judge that gets at most ${maximumJudgeError} of labelled answers wrong, is not released.`;
  return [fact("faithfulness_gate", "gate", at, statement, { ...stated })];
}

/** What the schema cannot say. Pure. */
export function faithfulnessFindings(
  stated: Static<typeof Faithfulness> | undefined,
  task: string,
): Finding[] {
  if (!stated) return [];
  const shares = (["floor", "maximumJudgeError"] as const).filter((name) => parsePercent(stated[name]) > 1);
  return [
    ...(task === "generation"
      ? []
      : [
          {
            pointer: at,
            detail: `the model's task is ${task}, and answers are judged of generation only`,
            mend: "Remove it, or correct model.task.",
          },
        ]),
    ...shares.map((name) => ({
      pointer: `${at}/${name}`,
      detail: `${stated[name]} of answers are more than all`,
      mend: "Write at most 100%.",
    })),
  ];
}
