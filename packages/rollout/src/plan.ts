import { Traffic } from "@portolan/serving/contract";
import { type Static, Type } from "@portolan/typebox";

const closed = { additionalProperties: false } as const;
const Least = {
  leastRequests: Type.Integer({
    minimum: 1,
    maximum: 10_000_000,
    description: "Requests that the candidate has had in the step before it may end",
  }),
  leastSeconds: Type.Integer({ minimum: 0, maximum: 2_592_000, description: "Shortest time of the step" }),
};

/** The candidate sees copies and answers nobody. */
export const ShadowStep = Type.Object(
  {
    kind: Type.Literal("shadow"),
    sample: Type.Number({ exclusiveMinimum: 0, maximum: 1, description: "Share of requests copied" }),
    ...Least,
  },
  closed,
);

/** The candidate answers those who are named, and nobody else. */
export const InternalStep = Type.Object(
  {
    kind: Type.Literal("internal"),
    by: Type.Union([Type.Literal("principal"), Type.Literal("tenant")]),
    values: Type.Array(Type.String({ minLength: 1, maxLength: 200 }), {
      minItems: 1,
      maxItems: 100,
      description: "Ids of principals, or of the callers' business units",
    }),
    ...Least,
  },
  closed,
);

/** The candidate answers a random share of the requests. */
export const CanaryStep = Type.Object(
  {
    kind: Type.Literal("canary"),
    percent: Type.Number({
      exclusiveMinimum: 0,
      maximum: 50,
      description: "The rest is the champion's, which is the control",
    }),
    ...Least,
  },
  closed,
);

export const ReleaseStep = Type.Union([ShadowStep, InternalStep, CanaryStep]);
export type ReleaseStep = Static<typeof ReleaseStep>;

/** How a version becomes the champion, and what it is judged by on its way. */
export const ReleasePlan = Type.Object(
  {
    steps: Type.Array(ReleaseStep, {
      minItems: 1,
      maxItems: 12,
      description: "In this order: at most one shadow, then internal ones, then canaries of growing share",
    }),
    sticky: Traffic.properties.sticky,
    slowMs: Type.Union([Type.Number({ exclusiveMinimum: 0 }), Type.Null()], {
      description: "Answers later than this count as slow, milliseconds; null: latency is not judged",
    }),
    margin: Type.Object(
      {
        relative: Type.Number({ minimum: 0, maximum: 10, description: "0.1: a tenth more events" }),
        absolute: Type.Number({ minimum: 0, maximum: 1, description: "0.01: one request in a hundred more" }),
      },
      {
        ...closed,
        description:
          "A candidate becomes the champion when it is shown that each guard's rate is at most this much worse, by the wider of the two",
      },
    ),
    events: Type.Array(
      Type.String({
        pattern: "^(?!(errors|slow|fallbacks|wrong|diverged)$)[a-z][a-z0-9-]{0,31}$",
        description: "Such as support-tickets",
      }),
      {
        maxItems: 4,
        uniqueItems: true,
        description:
          "Further guards: harmful events that are posted by the predictions that they follow from",
      },
    ),
    wrong: Type.Optional(
      Type.Union(
        [
          Type.Object(
            {
              decideAt: Type.Number({
                minimum: 0,
                maximum: 1,
                description: "0.5: from there on the answer is yes",
              }),
            },
            closed,
          ),
          Type.Object(
            { beyond: Type.Number({ minimum: 0, description: "Farther from what happened is wrong" }) },
            closed,
          ),
          Type.Object(
            {
              classes: Type.Array(Type.String({ minLength: 1, maxLength: 100 }), {
                maxItems: 100,
                description:
                  "Of several classes the names that outcomes have, in the order of their scores, of which the highest is what was said. Empty: those of the charter, or their numbers from 0",
              }),
            },
            closed,
          ),
          Type.Object(
            {
              ndcgBelow: Type.Number({
                minimum: 0,
                maximum: 1,
                description: "Of rankings: a list whose ndcg_at_10 is below it was ranked wrong",
              }),
            },
            closed,
          ),
        ],
        {
          description:
            "A further guard: answers that outcomes show to be wrong, of those that have an outcome",
        },
      ),
    ),
    divergence: Type.Optional(
      Type.Object(
        {
          edges: Type.Array(Type.Number(), {
            minItems: 1,
            maxItems: 9,
            description: "Of what answers say, ascending; 0.5: answers below it, and from it on",
          }),
          atMost: Type.Number({
            minimum: 0,
            maximum: 9,
            description:
              "0.25: answers between two edges may be a quarter more or as much fewer than the champion's",
          }),
        },
        {
          ...closed,
          description: "A further guard: whether both versions answer alike, by the shares of their answers",
        },
      ),
    ),
    deadlineSeconds: Type.Integer({
      minimum: 1,
      maximum: 7_776_000,
      description: "Undecided after this long, it ends as inconclusive and the champion stays",
    }),
  },
  closed,
);
export type ReleasePlan = Static<typeof ReleasePlan>;

/** What a plan says where nobody says otherwise. */
export const defaultPlan: ReleasePlan = {
  steps: [
    { kind: "shadow", sample: 1, leastRequests: 200, leastSeconds: 60 },
    { kind: "canary", percent: 5, leastRequests: 500, leastSeconds: 60 },
    { kind: "canary", percent: 25, leastRequests: 1000, leastSeconds: 60 },
    { kind: "canary", percent: 50, leastRequests: 1000, leastSeconds: 60 },
  ],
  sticky: "request",
  slowMs: null,
  margin: { relative: 0.1, absolute: 0.01 },
  events: [],
  deadlineSeconds: 86_400,
};

const order = ["shadow", "internal", "canary"] as const;

/** Beyond twice as many events, or one request in ten more, nothing is shown by being within the margin. */
const widest = { relative: 1, absolute: 0.1 } as const;

/** What the charter's task says of answers. */
export interface AnswerTerms {
  /** Names of the classes, none where they have numbers; undefined where answers are of no class, or of two. */
  readonly several?: readonly string[];
  /** An answer has a score for each row of a list. */
  readonly isRanking?: boolean;
}

/** Why answers of a ranking cannot be compared. Pure. */
export function findDivergenceProblems(
  { divergence }: Pick<ReleasePlan, "divergence">,
  { isRanking = false }: AnswerTerms,
): string[] {
  return divergence && isRanking
    ? [
        "its endpoint answers rankings, whose scores say nothing by themselves, so that divergence has nothing to compare",
      ]
    : [];
}

/** The rule by which outcomes are judged, as the charter's task has it. Pure. */
export function wrongRuleFor(
  wrong: NonNullable<ReleasePlan["wrong"]>,
  { several, isRanking = false }: AnswerTerms,
): { readonly rule: NonNullable<ReleasePlan["wrong"]>; readonly problems: readonly string[] } {
  if ("ndcgBelow" in wrong !== isRanking) {
    const problem = isRanking
      ? "its endpoint answers rankings, which outcomes judge by wrong: { ndcgBelow: 0.5 }"
      : "it judges rankings, and the charter's task is another";
    return { rule: wrong, problems: [problem] };
  }
  if (!("classes" in wrong)) {
    const problem =
      "its endpoint answers one of several classes, which outcomes judge by wrong: { classes: [] }";
    return { rule: wrong, problems: several ? [problem] : [] };
  }
  if (!several)
    return { rule: wrong, problems: ["it judges several classes, and the charter's task has none"] };
  const { classes } = wrong;
  const isOther = classes.length !== several.length || classes.some((name, at) => name !== several[at]);
  if (classes.length > 0 && several.length > 0 && isOther)
    return { rule: wrong, problems: [`it names other classes than the charter: ${several.join(", ")}`] };
  return { rule: { classes: classes.length > 0 ? classes : [...several] }, problems: [] };
}

/** Why a plan cannot be followed; empty when it can. Pure. */
export function findPlanProblems({ steps, margin, divergence }: ReleasePlan): string[] {
  const kinds = steps.map(({ kind }) => order.indexOf(kind));
  const percents = steps.flatMap((step) => (step.kind === "canary" ? [step.percent] : []));
  const rises = (values: readonly number[], strictly: boolean): boolean =>
    values.every((value, at) => {
      const before = values[at - 1];
      return before === undefined || (strictly ? value > before : value >= before);
    });
  return [
    ...(rises(kinds, false) ? [] : ["its steps are not in the order shadow, internal, canary"]),
    ...(steps.filter(({ kind }) => kind === "shadow").length > 1 ? ["it has two shadow steps"] : []),
    ...(percents.length === 0 ? ["it has no canary step, by which alone a version is judged"] : []),
    ...(margin.relative > widest.relative || margin.absolute > widest.absolute
      ? [
          `its margin lets nearly any version pass: it may be at most ${widest.relative} relative and ${widest.absolute} absolute`,
        ]
      : []),
    ...(rises(divergence?.edges ?? [], true) ? [] : ["the edges of its divergence do not grow"]),
    ...(rises(percents, true) ? [] : ["the shares of its canary steps do not grow"]),
  ];
}
