import { type Static, Type } from "@portolan/typebox";
import type { CharterDocument } from "./document.ts";
import { type Fact, fact } from "./fact.ts";
import type { Finding } from "./schema-findings.ts";
import { closed, Slug } from "./schema-parts.ts";
import { defaultSupport, Support, type SupportFloor } from "./support-floor.ts";

/** Differences between groups, with fairlearn's names and definitions. */
export const fairnessDifferences = [
  "demographic_parity_difference",
  "equalized_odds_difference",
  "equal_opportunity_difference",
] as const;
export type FairnessDifference = (typeof fairnessDifferences)[number];

export const Fairness = Type.Object(
  {
    attributes: Type.Array(Slug("An attribute."), { minItems: 1, maxItems: 16, uniqueItems: true }),
    maximumDifference: Type.Number({ minimum: 0, maximum: 1 }),
    measures: Type.Optional(
      Type.Array(Type.Enum([...fairnessDifferences]), {
        minItems: 1,
        uniqueItems: true,
        description:
          "Differences that may not exceed maximumDifference, as fairlearn defines them. Absent: groups are not compared.",
      }),
    ),
    minimumRatio: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 1,
        description:
          "Smallest over largest selection rate, at least; 0.8 is the four-fifths rule. Needs measures.",
      }),
    ),
    intersections: Type.Optional(
      Type.Boolean({ description: "Groups by each two attributes are compared too. Needs measures." }),
    ),
    favourable: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 100 }), {
        minItems: 1,
        maxItems: 16,
        uniqueItems: true,
        description:
          "Of several classes those that it is good or bad to be said: groups are compared by each against all others. Names of model.classes, or numbers where it names none. Absent: each class. Needs measures.",
      }),
    ),
    support: Support,
  },
  { ...closed, description: "Groups that must be treated alike, and the largest difference allowed." },
);

export interface FairnessTerms {
  /** Columns of the rows: attributes with `_` for `-`. */
  readonly columns: readonly string[];
  readonly maximumDifference: number;
  readonly measures: readonly FairnessDifference[];
  /** Of selection rates. */
  readonly minimumRatio?: number;
  readonly intersections: boolean;
  /** Of several classes those that groups are compared by, each against all others; absent: each. */
  readonly favourable?: readonly string[];
  readonly support: SupportFloor;
}

/** What a charter that names measures has groups compared by. Pure. */
export function fairnessTerms(
  {
    attributes,
    maximumDifference,
    minimumRatio,
    intersections,
    favourable,
    support,
  }: Static<typeof Fairness>,
  measures: readonly FairnessDifference[],
): FairnessTerms {
  return {
    columns: attributes.map((attribute) => attribute.replaceAll("-", "_")),
    maximumDifference,
    measures,
    ...(minimumRatio === undefined ? {} : { minimumRatio }),
    intersections: intersections ?? false,
    ...(favourable === undefined ? {} : { favourable }),
    support: { ...defaultSupport, ...support },
  };
}

/** The gate on fairness, for people. Pure. */
export function fairnessFact(fairness: NonNullable<CharterDocument["fairness"]>): Fact {
  const { attributes, maximumDifference, measures, minimumRatio, intersections, favourable } = fairness;
  const groups = `groups of ${attributes.join(", ")}${intersections ? " and of each two of them" : ""}`;
  const of = favourable ? ` of ${favourable.join(", ")}` : "";
  const which = measures ? ` in ${measures.join(", ")}${of}` : "";
  const ratio =
    minimumRatio === undefined
      ? ""
      : `, or whose selection rates have a ratio below ${minimumRatio} between them,`;
  const statement = `A version that differs by more than ${maximumDifference}${which} between ${groups}${ratio} is not released.`;
  return fact("fairness_gate", "gate", "/fairness", statement, { ...fairness });
}

/** Favourable classes that the model has not. Pure. */
export function favourableFindings({ model, fairness }: CharterDocument): Finding[] {
  const favourable = fairness?.favourable;
  if (!favourable) return [];
  if (model.task !== "multiclass_classification") {
    const detail = `the model's task is ${model.task}, and only of several classes some are favourable`;
    return [{ pointer: "/fairness/favourable", detail, mend: "Remove it, or correct model.task." }];
  }
  const isKnown = (name: string) => model.classes?.includes(name) ?? /^\d{1,2}$/.test(name);
  return favourable.flatMap((name, at) =>
    isKnown(name)
      ? []
      : [
          {
            pointer: `/fairness/favourable/${at}`,
            detail: model.classes
              ? `${name} is none of model.classes`
              : `${name} is no number of a class, and model.classes names none`,
            mend: "Name classes as model.classes does, or by their numbers where it is absent.",
          },
        ],
  );
}

/** Bounds on groups that nothing compares. Pure. */
export function fairnessFindings({ fairness }: CharterDocument): Finding[] {
  if (!fairness || fairness.measures) return [];
  return (["minimumRatio", "intersections", "favourable", "support"] as const)
    .filter((name) => fairness[name] !== undefined)
    .map((name) => ({
      pointer: `/fairness/${name}`,
      detail: "no measure is named, so groups are not compared",
      mend: "Add measures, e.g. [demographic_parity_difference].",
    }));
}
