import { environments } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import { Accuracy } from "./accuracy.ts";
import { CapacityTerms } from "./approval-size.ts";
import { controlNames } from "./controls.ts";
import { Explanations } from "./explanation-terms.ts";
import { Fairness } from "./fairness-terms.ts";
import { FaultTolerance } from "./fault-tolerance.ts";
import { Review } from "./human-review.ts";
import { MissingFeatures } from "./missing-features.ts";
import { NonFinite } from "./non-finite.ts";
import { releaseMembers } from "./release-gates.ts";
import { closed, ListOf, OneOf, Prose, Slug } from "./schema-parts.ts";
import {
  DurationText,
  MonthlyMoneyText,
  PercentText,
  RateText,
  TokenRateText,
  YearlyMoneyText,
} from "./unit-texts.ts";
import { Workload } from "./workload.ts";

/** Version of the charter format; a document names it, so that an old charter keeps its meaning. */
/** Formats of charters, the oldest first. From v2 on a charter without `requirements.challenger` has the default one. */
export const charterApiVersions = ["portolan/v1", "portolan/v2"] as const;

export const regulations = ["HIPAA", "SOX", "GDPR", "EU-AI-Act", "PCI-DSS", "SOC2"] as const;
export type Regulation = (typeof regulations)[number];

/** Roles whose holders sign charters (names as in `identity`). */
export const signingRoles = ["team_lead", "approver_risk", "approver_compliance", "finance"] as const;
export type SigningRole = (typeof signingRoles)[number];

export const latencyClasses = ["real_time", "interactive", "batch"] as const;
export type LatencyClass = (typeof latencyClasses)[number];

const UseCase = Type.Object(
  {
    name: Slug("Name of the use case; endpoints, models and costs are filed under it."),
    description: Prose("What the model decides or supports, and for whom."),
    businessUnit: Slug("The business unit that pays."),
    team: Slug("The team that builds and runs it."),
  },
  { ...closed, description: "What this charter is about." },
);

const Owner = Type.Object(
  {
    name: Type.String({ minLength: 2, maxLength: 120, description: "A person, not a group." }),
    email: Type.String({
      pattern: "^[^@\\s]{1,64}@[^@\\s]{1,190}$",
      description: "Where alerts and requests for a signature go.",
    }),
    role: OneOf(
      ["business_owner", "technical_owner", "data_owner", "risk_owner", "compliance_owner"],
      "What this person answers for.",
    ),
  },
  closed,
);

const Requirements = Type.Object(
  {
    latency: Type.Object(
      {
        p95: DurationText("95 of 100 predictions answer within this time."),
        p99: DurationText("99 of 100 predictions answer within this time."),
      },
      { ...closed, description: "Time from request to answer, measured at the gateway." },
    ),
    throughput: Type.Object(
      {
        ceiling: RateText("The most requests that are promised."),
        beyond: OneOf(
          ["reject", "shed", "queue"],
          "Beyond the ceiling: reject with 429, shed by priority, or queue within the latency bound.",
        ),
        clientShare: Type.Optional(
          PercentText("Largest part of the ceiling that one client may take. Absent: all of it."),
        ),
        tenantShare: Type.Optional(
          PercentText(
            "Largest part of the ceiling that the callers of one business unit may take together. Absent: all of it.",
          ),
        ),
        weight: Type.Optional(
          OneOf(
            ["requests", "rows"],
            "What the ceiling counts: requests (the default), or the rows in them.",
          ),
        ),
        tokens: Type.Optional(
          TokenRateText(
            "For text: the most tokens of prompts and answers that are promised, beside the ceiling; a minute's worth may come at once. The shares apply to it too. Absent: no bound.",
          ),
        ),
        counting: Type.Optional(
          OneOf(
            ["leased", "strict"],
            "Over several gateways: by leases (the default), which may exceed the ceiling by one lease per gateway for a moment, or strictly, which costs each request a round trip.",
          ),
        ),
      },
      { ...closed, description: "How much load is promised and what happens beyond it." },
    ),
    accuracy: Accuracy,
    ...releaseMembers,
    featureFreshness: Type.Optional(DurationText("Oldest feature value that may enter a prediction.")),
    featureTime: Type.Optional(
      OneOf(
        ["arrival", "stated"],
        "The instant at which a feature's age is judged: the request's arrival (the default), or one that callers may state, e.g. to replay past events; such predictions are marked.",
      ),
    ),
    missingFeatures: Type.Optional(MissingFeatures),
    nonFinite: Type.Optional(NonFinite),
    faultTolerance: Type.Optional(FaultTolerance),
    availability: PercentText("Share of requests answered in a month, e.g. 99.9%."),
    snapshotAge: Type.Optional(
      Type.Object(
        {
          maximum: DurationText("Oldest route snapshot that a gateway may answer from."),
          beyond: OneOf(
            ["refuse", "serve"],
            "Beyond it: refuse predictions, or serve on and say so in every answer.",
          ),
        },
        {
          ...closed,
          description:
            "How long gateways that are cut off from control go on: until then they cannot hear of revocations. Absent: 24h, then refuse, under a regulation or with low risk tolerance; 72h, then refuse, with medium; 7d, then serve, with high.",
        },
      ),
    ),
  },
  { ...closed, description: "What production must reach." },
);

const Residency = Type.Object(
  {
    regions: Type.Array(Type.String({ minLength: 1, maxLength: 60 }), {
      minItems: 1,
      maxItems: 64,
      uniqueItems: true,
      description:
        "Where data may be kept and processed: region names, `local` for this machine, or a prefix such as eu-*.",
    }),
    owners: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 60 }), {
        minItems: 1,
        maxItems: 64,
        uniqueItems: true,
        description: "Who may own the machines: `self`, or providers by name. Absent: anybody.",
      }),
    ),
  },
  { ...closed, description: "Where the data may be, and on whose machines." },
);

const NonNegotiables = Type.Object(
  {
    regulations: ListOf(regulations, "Regulations that apply; an empty list states that none does."),
    residency: Residency,
    latencyClass: OneOf(
      latencyClasses,
      "real_time: p95 of at most 100 ms; interactive: at most 2 s; batch: no bound.",
    ),
    costCeiling: MonthlyMoneyText("Approved budget for the infrastructure of this use case."),
    beyondCostCeiling: Type.Optional(
      OneOf(
        ["alert", "hold_new_work"],
        "Once a month's money is spent: people are told (absent), or no training run and no scoring begins until the next month. What serves is never stopped for money.",
      ),
    ),
    exposure: Type.Optional(
      Type.Object(
        {
          records: Type.Optional(
            Type.Integer({
              minimum: 0,
              maximum: 10_000_000_000,
              description: "Records of people that are held.",
            }),
          ),
          yearlyRevenue: Type.Optional(
            YearlyMoneyText("Revenue worldwide, of which some regulations fine a share."),
          ),
        },
        {
          ...closed,
          description: "What fines are reckoned from; the plan shows them beside the cost of the controls.",
        },
      ),
    ),
  },
  { ...closed, description: "What would end the project if it were violated." },
);

const RiskTolerance = Type.Object(
  {
    level: OneOf(["low", "medium", "high"], "How much a wrong prediction or an outage may hurt."),
    dataSovereignty: OneOf(["strict", "flexible"], "strict: data stays on own machines."),
    buildOrBuy: OneOf(["build", "either", "buy"], "Is there a team to run infrastructure?"),
    lockIn: OneOf(["avoid", "accept"], "May one provider's interfaces be depended on?"),
  },
  { ...closed, description: "The second of the three questions." },
);

const FallbackStep = Type.Union([
  Type.Object(
    { kind: Type.Literal("previous_version") },
    { ...closed, description: "The version before, on the same inputs." },
  ),
  Type.Object(
    { kind: Type.Literal("secondary_model") },
    { ...closed, description: "A simpler model, named by the deployment." },
  ),
  Type.Object(
    {
      kind: Type.Literal("rule"),
      expression: Type.String({
        minLength: 1,
        maxLength: 4000,
        description: "Over the request's columns, as in feature views.",
      }),
    },
    { ...closed, description: "A rule over the request's own columns." },
  ),
  Type.Object(
    {
      kind: Type.Literal("constant"),
      value: Type.Number({ description: "The answer." }),
    },
    { ...closed, description: "Always the same answer." },
  ),
]);
export type FallbackStep = Static<typeof FallbackStep>;

const Fallback = Type.Object(
  {
    kind: OneOf(
      ["none", "constant", "previous_version", "chain"],
      "What answers when the model cannot: nothing (an error), a constant, the version before, or the first of several steps that can.",
    ),
    value: Type.Optional(Type.Number({ description: "The answer of `constant`." })),
    steps: Type.Optional(
      Type.Array(FallbackStep, { minItems: 1, maxItems: 8, description: "The steps of `chain`, in order." }),
    ),
  },
  { ...closed, description: "What answers when the model cannot." },
);

const Retraining = Type.Object(
  {
    every: Type.Optional(DurationText("Retrain at least this often.")),
    onDrift: Type.Optional(Type.Boolean({ description: "Retrain when the inputs have drifted." })),
    onAccuracyBelow: Type.Optional(
      Type.Number({ description: "Retrain when the accuracy in production falls below this value." }),
    ),
    onConceptDrift: Type.Optional(
      Type.Boolean({
        description: "Retrain when outcomes show predictions to be wrong more often than they used to be.",
      }),
    ),
    approval: OneOf(["none", "team_lead"], "Who agrees before a retrained model is released."),
  },
  { ...closed, description: "When the model is trained again. Absent: never by itself." },
);

/**
 * One charter as its author writes it: quantities are texts with units. Everything else (SLOs, gates, limits,
 * budgets, retention, placement) is derived from it and never typed a second time.
 */
export const CharterDocument = Type.Object(
  {
    apiVersion: OneOf(
      charterApiVersions,
      "Format of this file. portolan/v2: without requirements.challenger a version replaces the one in production only when it is better in the metric of requirements.accuracy, and without a timeout model and fallback have the p99 together; portolan/v1: then nothing is compared, and the time is twice the p99.",
    ),
    kind: Type.Literal("Charter", { description: "What this file is." }),
    useCase: UseCase,
    owners: Type.Array(Owner, { minItems: 1, maxItems: 32, description: "The people who answer for it." }),
    purposes: Type.Array(Slug("A purpose of use."), {
      minItems: 1,
      maxItems: 32,
      uniqueItems: true,
      description: "What predictions may be used for; a request that names no such purpose is refused.",
    }),
    environments: Type.Array(Type.Enum(environments), {
      minItems: 1,
      uniqueItems: true,
      description: "Environments that the use case may reach.",
    }),
    requirements: Requirements,
    nonNegotiables: NonNegotiables,
    riskTolerance: RiskTolerance,
    successInSixMonths: Prose("The third question: what is true in six months if this succeeds?"),
    retention: Type.Object(
      {
        predictions: DurationText("How long each prediction record is kept, then erased."),
        trainingData: Type.Optional(DurationText("How long training sets are kept.")),
      },
      { ...closed, description: "How long records are kept." },
    ),
    explainability: OneOf(
      ["none", "model", "per_prediction"],
      "none, of the model as a whole, or for every prediction.",
    ),
    explanations: Type.Optional(Explanations),
    humanReview: OneOf(
      ["none", "below_confidence", "every_prediction"],
      "Which predictions a person sees before they take effect.",
    ),
    review: Type.Optional(Review),
    fairness: Type.Optional(Fairness),
    fallback: Fallback,
    log: Type.Optional(
      Type.Object(
        { durability: OneOf(["buffered", "durable"], "durable: fsynced before the answer.") },
        { ...closed, description: "Overrides the durability that the regulations imply; never downwards." },
      ),
    ),
    retraining: Type.Optional(Retraining),
    workload: Type.Optional(Workload),
    capacity: Type.Optional(CapacityTerms),
    data: Type.Object(
      {
        classification: OneOf(
          ["public", "internal", "personal", "health", "financial"],
          "The most sensitive data in it.",
        ),
        contracts: Type.Array(Type.String({ minLength: 1, maxLength: 200 }), {
          maxItems: 64,
          description: "Data contracts, as files.",
        }),
        featureViews: Type.Optional(
          Type.Array(Type.String({ minLength: 1, maxLength: 200 }), {
            maxItems: 64,
            description: "Feature views, as files.",
          }),
        ),
      },
      { ...closed, description: "What the model is fed." },
    ),
    model: Type.Object(
      {
        task: OneOf(
          ["binary_classification", "multiclass_classification", "regression", "ranking", "generation"],
          "What the model answers.",
        ),
        trainer: Type.Optional(
          Type.String({
            minLength: 1,
            maxLength: 200,
            description: "The training program; absent for an imported model.",
          }),
        ),
        classes: Type.Optional(
          Type.Array(Type.String({ minLength: 1, maxLength: 100 }), {
            minItems: 3,
            maxItems: 100,
            uniqueItems: true,
            description:
              "Of a classifier of several classes their names, in the order of the model's probabilities: the label of held-out rows is the place in this list, from 0. Absent: classes are known by their number.",
          }),
        ),
        query: Type.Optional(
          Type.String({
            pattern: "^[a-z_][a-z0-9_]{0,62}$",
            description:
              "Of a ranking the column of the held-out rows that says whose list a row is in: a number, or one of few texts.",
          }),
        ),
      },
      { ...closed, description: "What is served." },
    ),
    signOff: Type.Optional(
      Type.Object(
        { alsoRequired: ListOf(signingRoles, "Roles that sign besides those that the content demands.") },
        { ...closed, description: "Further signatures." },
      ),
    ),
    demandedControls: Type.Optional(
      ListOf(
        controlNames,
        "Derived controls without which this use case must not go to production; one that nothing enforces yet blocks the release.",
      ),
    ),
  },
  {
    ...closed,
    title: "Portolan charter",
    description: "What an AI use case must reach, may never do, may cost, and who answers for it.",
  },
);
export type CharterDocument = Static<typeof CharterDocument>;
