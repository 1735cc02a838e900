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
  type FairnessTerms,
  fairnessFact,
  fairnessFindings,
  fairnessTerms,
  favourableFindings,
} from "./fairness-terms.ts";
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
import { closed } from "./schema-parts.ts";
import { defaultSupport, Support, type SupportFloor } from "./support-floor.ts";
import type { AccuracyBound } from "./terms.ts";

const defaultBins = 4;

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

export interface SliceTerms {
  readonly columns: readonly string[];
  /** Quantile bins of a column of many numbers. */
  readonly bins: number;
  readonly support: SupportFloor;
  /** In the unit of the accuracy metric; absent: measured, not judged. */
  readonly maximumGap?: number;
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
    ...favourableFindings(document),
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

/** Members that are measured of two classes and of several. */
const ofClassifiers = ["/fairness/measures", "/requirements/robustness", "/requirements/membership"];

function unmeasuredMembers({ requirements, fairness, model }: CharterDocument): Finding[] {
  if (model.task === "binary_classification") return [];
  const isSeveral = model.task === "multiclass_classification";
  const isMeasured = evaluatedMetrics[model.task].some(isCompared);
  const stated = [
    // Text has no rows, and no machine of its own to be measured on.
    ...(requirements.modelBudget && model.task === "generation" ? ["/requirements/modelBudget"] : []),
    ...(requirements.slices && !isMeasured ? ["/requirements/slices"] : []),
    ...(requirements.challenger && !isMeasured ? ["/requirements/challenger"] : []),
    ...(fairness?.measures && !isSeveral ? ["/fairness/measures"] : []),
    ...(
      ["kpis", "trainingData", ...(isSeveral ? [] : (["robustness", "membership"] as const))] as const
    ).flatMap((name) => (requirements[name] ? [`/requirements/${name}`] : [])),
    // Certificates are of the one margin between two classes.
    ...(isSeveral && requirements.robustness?.minimumCertified !== undefined
      ? ["/requirements/robustness/minimumCertified"]
      : []),
  ];
  return stated.map((pointer) => ({
    pointer,
    detail: `the model's task is ${model.task}, and this is measured of ${ofClassifiers.includes(pointer) ? "classifiers" : "binary_classification"} only`,
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
  const isBinary = task === "binary_classification";
  // Groups are compared by one class against all others, however many classes there are.
  const hasGroups = (isBinary || task === "multiclass_classification") && fairness?.measures;
  const places = [
    { at: "/requirements/slices", what: "slices", support: slices?.support, byClass: isBinary },
    ...(hasGroups ? [{ at: "/fairness", what: "groups", support: fairness.support, byClass: true }] : []),
  ];
  const size = (byClass: boolean) =>
    byClass ? "rows of each class" : task === "ranking" ? "queries" : "rows";
  return places.flatMap(({ at, what, support, byClass }) => {
    const others = byClass ? (["rows"] as const) : (["positives", "negatives"] as const);
    const detail = `the model's task is ${task}, whose ${what} are judged by their ${size(byClass)}`;
    const mend = `Write ${byClass ? "positives and negatives" : "rows"} instead, or remove it.`;
    return others
      .filter((name) => support?.[name] !== undefined)
      .map((name) => ({ pointer: `${at}/support/${name}`, detail, mend }));
  });
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
