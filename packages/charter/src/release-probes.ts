import { type Static, Type } from "@portolan/typebox";
import { type Fact, fact } from "./fact.ts";
import type { Finding } from "./schema-findings.ts";
import { closed } from "./schema-parts.ts";
import { PercentText, parsePercent } from "./unit-texts.ts";

export const Robustness = Type.Object(
  {
    mutable: Type.Array(
      Type.String({ minLength: 1, maxLength: 200, description: "A feature of the model." }),
      {
        minItems: 1,
        maxItems: 200,
        uniqueItems: true,
        description: "Features that somebody who wants another decision can change.",
      },
    ),
    radius: Type.Number({
      exclusiveMinimum: 0,
      description:
        "How far each of them may be changed, in standard deviations of the training rows, and never beyond their least and largest value.",
    }),
    maximumTurned: Type.Optional(
      PercentText(
        "Largest share of rightly decided rows whose decision an attack turns within the radius, at the upper end of its 95 % interval.",
      ),
    ),
    minimumCertified: Type.Optional(
      PercentText(
        "Smallest share of rightly decided rows that no change within the radius turns, at the lower end of its 95 % interval. Only trees have such certificates.",
      ),
    ),
  },
  {
    ...closed,
    description:
      "How hard a decision is to turn by changing features. Without a bound it is measured and not judged.",
  },
);

export const Membership = Type.Object(
  {
    maximumAuc: Type.Number({
      exclusiveMinimum: 0.5,
      maximum: 1,
      description:
        "Largest area under the ROC curve, at the upper end of its 95 % interval, of an attack that tells training rows from held-out rows by the model's scores. 0.5 tells nothing.",
    }),
  },
  { ...closed, description: "How much the model gives away of who was in its training rows." },
);

export const TrainingDataReview = Type.Object(
  {
    maximumSuspects: PercentText(
      "Largest share of the training rows whose label cross-fitted models contradict.",
    ),
  },
  { ...closed, description: "How many labels of the training rows may look flipped." },
);

/** Members of a charter's requirements for which an evaluation asks the model more than held-out rows. */
export const probeMembers = {
  robustness: Type.Optional(Robustness),
  membership: Type.Optional(Membership),
  trainingData: Type.Optional(TrainingDataReview),
};

export interface RobustnessTerms {
  /** Features of the model. */
  readonly mutable: readonly string[];
  /** In standard deviations of the training rows. */
  readonly radius: number;
  /** Shares; absent: not judged. */
  readonly maximumTurned?: number;
  readonly minimumCertified?: number;
}

/** What an evaluation asks a model beside its scores on held-out rows. */
export interface ProbeTerms {
  readonly robustness?: RobustnessTerms;
  readonly membership?: { readonly maximumAuc: number };
  /** A share. */
  readonly trainingData?: { readonly maximumSuspects: number };
}

/** The members as they stand in a charter. */
export interface ProbeStatements {
  readonly robustness?: Static<typeof Robustness>;
  readonly membership?: Static<typeof Membership>;
  readonly trainingData?: Static<typeof TrainingDataReview>;
}

/** Pure. */
export function probeTerms({ robustness, membership, trainingData }: ProbeStatements): ProbeTerms {
  return {
    ...(robustness ? { robustness: robustnessTerms(robustness) } : {}),
    ...(membership ? { membership } : {}),
    ...(trainingData
      ? { trainingData: { maximumSuspects: parsePercent(trainingData.maximumSuspects) } }
      : {}),
  };
}

function robustnessTerms({
  mutable,
  radius,
  maximumTurned,
  minimumCertified,
}: Static<typeof Robustness>): RobustnessTerms {
  return {
    mutable,
    radius,
    ...(maximumTurned === undefined ? {} : { maximumTurned: parsePercent(maximumTurned) }),
    ...(minimumCertified === undefined ? {} : { minimumCertified: parsePercent(minimumCertified) }),
  };
}

const at = "/requirements";

/** For people. Pure. */
export function probeFacts({ robustness, membership, trainingData }: ProbeStatements): Fact[] {
  return [
    ...(robustness ? robustnessFacts(robustness) : []),
    ...(membership
      ? [
          fact(
            "membership_gate",
            "gate",
            `${at}/membership`,
            `A version whose scores tell training rows from others with an area under the ROC curve above ${membership.maximumAuc} is not released.`,
            { ...membership },
          ),
        ]
      : []),
    ...(trainingData
      ? [
          fact(
            "training_data_gate",
            "gate",
            `${at}/trainingData`,
            `A version of whose training labels more than ${trainingData.maximumSuspects} look flipped is not released.`,
            { ...trainingData },
          ),
        ]
      : []),
  ];
}

function robustnessFacts(robustness: Static<typeof Robustness>): Fact[] {
  const { mutable, radius, maximumTurned, minimumCertified } = robustness;
  const bounds = [
    ...(maximumTurned === undefined ? [] : [`an attack turns more than ${maximumTurned} of its decisions`]),
    ...(minimumCertified === undefined ? [] : [`fewer than ${minimumCertified} are certified`]),
  ];
  if (bounds.length === 0) return [];
  return [
    fact(
      "robustness_gate",
      "gate",
      `${at}/robustness`,
      `A version of which ${bounds.join(", or ")}, within ${radius} standard deviations of ${mutable.join(", ")}, is not released.`,
      { ...robustness },
    ),
  ];
}

/** What the schema cannot say. Pure. */
export function probeFindings({ robustness, trainingData }: ProbeStatements): Finding[] {
  const shares = [
    { pointer: `${at}/robustness/maximumTurned`, text: robustness?.maximumTurned },
    { pointer: `${at}/robustness/minimumCertified`, text: robustness?.minimumCertified },
    { pointer: `${at}/trainingData/maximumSuspects`, text: trainingData?.maximumSuspects },
  ];
  return shares.flatMap(({ pointer, text }) =>
    text !== undefined && parsePercent(text) > 1
      ? [{ pointer, detail: `${text} of rows are more than all`, mend: "Write at most 100%." }]
      : [],
  );
}
