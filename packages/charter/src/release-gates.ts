import { type Static, Type } from "@portolan/typebox";
import {
  Challenger,
  type ChallengerTerms,
  challengerFacts,
  challengerFindings,
  challengerTerms,
} from "./challenger.ts";
import { isCompared } from "./compared-metrics.ts";
import type { CharterDocument } from "./document.ts";
import { type Fact, fact } from "./fact.ts";
import {
  Faithfulness,
  type FaithfulnessTerms,
  faithfulnessFacts,
  faithfulnessFindings,
  faithfulnessTerms,
} from "./faithfulness.ts";
import { Kpi, type KpiTerms, kpiFacts, kpiFindings, kpiTerms } from "./kpis.ts";
import { evaluatedMetrics } from "./measured-metrics.ts";
import { type BudgetTerms, budgetFacts, budgetFindings, budgetTerms, ModelBudget } from "./model-budget.ts";
import { Privacy, type PrivacyTerms, privacyFacts } from "./privacy-terms.ts";
import { type ProbeTerms, probeFacts, probeFindings, probeMembers, probeTerms } from "./release-probes.ts";
import type { Finding } from "./schema-findings.ts";
import { closed, Slug } from "./schema-parts.ts";
import type { AccuracyBound } from "./terms.ts";

/** Differences between groups, with fairlearn's names and definitions. */
export const fairnessDifferences = [
  "demographic_parity_difference",
  "equalized_odds_difference",
  "equal_opportunity_difference",
] as const;
export type FairnessDifference = (typeof fairnessDifferences)[number];

const defaultSupport = { positives: 30, negatives: 30 } as const;
const defaultBins = 4;

const Support = Type.Optional(
  Type.Object(
    {
      positives: Type.Optional(
        Type.Integer({ minimum: 2, maximum: 1_000_000, description: "Rows that are positive. Absent: 30." }),
      ),
      negatives: Type.Optional(
        Type.Integer({ minimum: 2, maximum: 1_000_000, description: "Rows that are negative. Absent: 30." }),
      ),
      rows: Type.Optional(
        Type.Integer({
          minimum: 2,
          maximum: 1_000_000,
          description: "Rows of a regression or of several classes, or queries of a ranking. Absent: 30.",
        }),
      ),
    },
    { ...closed, description: "Fewer rows are too few to be judged." },
  ),
);

export const Slices = Type.Object(
  {
    columns: Type.Array(
      Type.String({
        pattern: "^[a-z_][a-z0-9_]{0,62}$",
        description: "A column of the held-out rows: a feature, or an attribute that they keep beside.",
      }),
      {
        minItems: 1,
        maxItems: 16,
        uniqueItems: true,
        description: "Columns by whose values the rows are sliced.",
      },
    ),
    bins: Type.Optional(
      Type.Integer({
        minimum: 2,
        maximum: 20,
        description:
          "Into how many bins of equally many rows a column of more than 20 numbers falls. Absent: 4.",
      }),
    ),
    support: Support,
    maximumGap: Type.Optional(
      Type.Number({
        exclusiveMinimum: 0,
        description:
          "How much worse than over all rows the metric of requirements.accuracy may be on the worst slice; a release beyond it is refused. Absent: slices are measured, not judged.",
      }),
    ),
  },
  { ...closed, description: "Parts of the held-out rows on which the model is measured too." },
);

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
    support: Support,
  },
  { ...closed, description: "Groups that must be treated alike, and the largest difference allowed." },
);

/** Members of a charter's requirements that only releases are judged by. */
export const releaseMembers = {
  slices: Type.Optional(Slices),
  challenger: Type.Optional(Challenger),
  privacy: Type.Optional(Privacy),
  modelBudget: Type.Optional(ModelBudget),
  kpis: Type.Optional(
    Type.Array(Kpi, {
      minItems: 1,
      maxItems: 16,
      description: "Figures of the business; a release that misses one is refused.",
    }),
  ),
  ...probeMembers,
  faithfulness: Type.Optional(Faithfulness),
};

/** Rows that a part must have to be judged. */
export interface SupportFloor {
  readonly positives: number;
  readonly negatives: number;
  /** Of what has not two classes: rows, or queries of rankings; absent: 30. */
  readonly rows?: number;
}

export interface SliceTerms {
  readonly columns: readonly string[];
  /** Quantile bins of a column of many numbers. */
  readonly bins: number;
  readonly support: SupportFloor;
  /** In the unit of the accuracy metric; absent: measured, not judged. */
  readonly maximumGap?: number;
}

export interface FairnessTerms {
  /** Columns of the rows: attributes with `_` for `-`. */
  readonly columns: readonly string[];
  readonly maximumDifference: number;
  readonly measures: readonly FairnessDifference[];
  /** Of selection rates. */
  readonly minimumRatio?: number;
  readonly intersections: boolean;
  readonly support: SupportFloor;
}

/** Everything that a version is judged by before it is released. */
export interface ReleaseTerms extends ProbeTerms {
  /** What the model answers; absent: yes or no. */
  readonly task?: CharterDocument["model"]["task"];
  /** Of a ranking the column that says which rows are one. */
  readonly query?: string;
  /** Of several classes their names, in the order of the model's probabilities; absent: they are known by their number. */
  readonly classes?: readonly string[];
  readonly accuracy: AccuracyBound;
  readonly slices?: SliceTerms;
  /** Absent also where the charter names attributes and no measure. */
  readonly fairness?: FairnessTerms;
  readonly challenger?: ChallengerTerms;
  readonly privacy?: PrivacyTerms;
  readonly modelBudget?: BudgetTerms;
  readonly kpis?: readonly KpiTerms[];
  readonly faithfulness?: FaithfulnessTerms;
}

/**
 * What the charter says of releases beside the accuracy bound. Pure.
 * @param requestsPerSecond the throughput ceiling
 */
export function releaseTerms(
  document: CharterDocument,
  requestsPerSecond: number,
): Omit<ReleaseTerms, "accuracy"> {
  const { requirements, fairness, model } = document;
  const { slices, privacy, modelBudget, kpis, latency } = requirements;
  const challenger = challengerTerms(document);
  const promise = { p95: latency.p95, requestsPerSecond };
  return {
    task: model.task,
    ...(model.query === undefined ? {} : { query: model.query }),
    ...(model.classes === undefined ? {} : { classes: model.classes }),
    ...(privacy ? { privacy } : {}),
    ...(slices ? { slices: sliceTerms(slices) } : {}),
    ...(fairness?.measures ? { fairness: fairnessTerms(fairness, fairness.measures) } : {}),
    ...(challenger ? { challenger } : {}),
    ...(modelBudget ? { modelBudget: budgetTerms(modelBudget, promise) } : {}),
    ...(kpis ? { kpis: kpis.map(kpiTerms) } : {}),
    ...probeTerms(requirements),
    ...(requirements.faithfulness ? { faithfulness: faithfulnessTerms(requirements.faithfulness) } : {}),
  };
}

function sliceTerms({ columns, bins, support, maximumGap }: Static<typeof Slices>): SliceTerms {
  return {
    columns,
    bins: bins ?? defaultBins,
    support: { ...defaultSupport, ...support },
    ...(maximumGap === undefined ? {} : { maximumGap }),
  };
}

function fairnessTerms(
  { attributes, maximumDifference, minimumRatio, intersections, support }: Static<typeof Fairness>,
  measures: readonly FairnessDifference[],
): FairnessTerms {
  return {
    columns: attributes.map((attribute) => attribute.replaceAll("-", "_")),
    maximumDifference,
    measures,
    ...(minimumRatio === undefined ? {} : { minimumRatio }),
    intersections: intersections ?? false,
    support: { ...defaultSupport, ...support },
  };
}

/** Gates beside the accuracy bound, for people. Pure. */
export function releaseFacts(document: CharterDocument, terms: ReleaseTerms): Fact[] {
  const { slices, challenger, modelBudget, kpis = [] } = terms;
  const { metric } = document.requirements.accuracy;
  const { modelBudget: budget } = document.requirements;
  return [
    ...(slices?.maximumGap === undefined
      ? []
      : [
          fact(
            "slice_gate",
            "gate",
            "/requirements/slices",
            `A version whose ${metric} is worse by more than ${slices.maximumGap} on some slice of ${slices.columns.join(", ")} is not released.`,
            { ...slices, support: { ...slices.support } },
          ),
        ]),
    ...(document.fairness ? [fairnessFact(document.fairness)] : []),
    ...challengerFacts(document, challenger),
    ...privacyFacts(document.requirements.privacy),
    ...(budget && modelBudget ? budgetFacts(budget, modelBudget) : []),
    ...kpiFacts(kpis),
    ...probeFacts(document.requirements),
    ...faithfulnessFacts(document.requirements.faithfulness),
  ];
}

function fairnessFact(fairness: NonNullable<CharterDocument["fairness"]>): Fact {
  const { attributes, maximumDifference, measures, minimumRatio, intersections } = fairness;
  const groups = `groups of ${attributes.join(", ")}${intersections ? " and of each two of them" : ""}`;
  const which = measures ? ` in ${measures.join(", ")}` : "";
  const ratio =
    minimumRatio === undefined
      ? ""
      : `, or whose selection rates have a ratio below ${minimumRatio} between them,`;
  const statement = `A version that differs by more than ${maximumDifference}${which} between ${groups}${ratio} is not released.`;
  return fact("fairness_gate", "gate", "/fairness", statement, { ...fairness });
}

/** What the schema cannot say of these members. Pure. */
export function releaseFindings(document: CharterDocument): Finding[] {
  return [
    ...taskFindings(document),
    ...gapFindings(document),
    ...fairnessFindings(document),
    ...challengerFindings(document),
    ...budgetFindings(document.requirements.modelBudget),
    ...kpiFindings(document.requirements.kpis),
    ...probeFindings(document.requirements),
    ...faithfulnessFindings(document.requirements.faithfulness, document.model.task),
  ];
}

/** What is measured of decisions of two classes alone; parts of rows and pairs of versions are measured of quantities too. */
function taskFindings(document: CharterDocument): Finding[] {
  return [
    ...queryFindings(document),
    ...classFindings(document),
    ...unmeasuredMembers(document),
    ...supportFindings(document),
  ];
}

function classFindings({ model }: CharterDocument): Finding[] {
  if (model.classes === undefined || model.task === "multiclass_classification") return [];
  const detail = `the model's task is ${model.task}, and only a classifier of several classes has names for them`;
  return [{ pointer: "/model/classes", detail, mend: "Remove it, or correct model.task." }];
}

function queryFindings({ model }: CharterDocument): Finding[] {
  if (model.query === undefined || model.task === "ranking") return [];
  const detail = `the model's task is ${model.task}, and only a ranking has queries`;
  return [{ pointer: "/model/query", detail, mend: "Remove it, or correct model.task." }];
}

function unmeasuredMembers({ requirements, fairness, model }: CharterDocument): Finding[] {
  if (model.task === "binary_classification") return [];
  const isMeasured = evaluatedMetrics[model.task].some(isCompared);
  const stated = [
    // Text has no rows, and no machine of its own to be measured on.
    ...(requirements.modelBudget && model.task === "generation" ? ["/requirements/modelBudget"] : []),
    ...(requirements.slices && !isMeasured ? ["/requirements/slices"] : []),
    ...(requirements.challenger && !isMeasured ? ["/requirements/challenger"] : []),
    ...(fairness?.measures ? ["/fairness/measures"] : []),
    ...(["kpis", "robustness", "membership", "trainingData"] as const).flatMap((name) =>
      requirements[name] ? [`/requirements/${name}`] : [],
    ),
  ];
  return stated.map((pointer) => ({
    pointer,
    detail: `the model's task is ${model.task}, and this is measured of binary_classification only`,
    mend: "Remove it, or correct model.task.",
  }));
}

/** Rows of a class count where there are classes, and rows where there are none: the other floor would hold nothing. */
function supportFindings({
  requirements: { slices },
  fairness,
  model: { task },
}: CharterDocument): Finding[] {
  if (task === "generation") return [];
  const isClasses = task === "binary_classification";
  const [others, mend] = isClasses
    ? ([["rows"], "Write positives and negatives instead, or remove it."] as const)
    : ([["positives", "negatives"], "Write rows instead, or remove it."] as const);
  const places = [
    ["/requirements/slices", slices?.support],
    ["/fairness", isClasses && fairness?.measures ? fairness.support : undefined],
  ] as const;
  const detail = `the model's task is ${task}, whose parts are judged by ${isClasses ? "their rows of each class" : task === "ranking" ? "their queries" : "their rows"}`;
  return places.flatMap(([at, support]) =>
    others
      .filter((name) => support?.[name] !== undefined)
      .map((name) => ({ pointer: `${at}/support/${name}`, detail, mend })),
  );
}

function gapFindings({ requirements: { slices, accuracy }, model }: CharterDocument): Finding[] {
  const sliced = evaluatedMetrics[model.task].filter(isCompared);
  // Of what has no slices at all it is said already.
  if (
    slices?.maximumGap === undefined ||
    sliced.length === 0 ||
    sliced.some((metric) => metric === accuracy.metric)
  )
    return [];
  return [
    {
      pointer: "/requirements/slices/maximumGap",
      detail: `the gap is one of ${accuracy.metric}, which is not measured by slices of ${model.task}`,
      mend: `Bound one of ${sliced.join(", ")}, or remove maximumGap.`,
    },
  ];
}

function fairnessFindings({ fairness }: CharterDocument): Finding[] {
  if (!fairness || fairness.measures) return [];
  return (["minimumRatio", "intersections", "support"] as const)
    .filter((name) => fairness[name] !== undefined)
    .map((name) => ({
      pointer: `/fairness/${name}`,
      detail: "no measure is named, so groups are not compared",
      mend: "Add measures, e.g. [demographic_parity_difference].",
    }));
}
