import { type Environment, type Money, money, parseBytes, parseDurationMs } from "@portolan/kernel";
import { type ApprovalSize, approvalSize } from "./approval-size.ts";
import type { CharterDocument, FallbackStep, LatencyClass, Regulation } from "./document.ts";
import { type ExplanationTerms, explanationTerms } from "./explanation-terms.ts";
import { type FaultToleranceTerms, faultToleranceTerms, sharesP99 } from "./fault-tolerance.ts";
import { type ReviewTerms, reviewTerms } from "./human-review.ts";
import { type MetricName, metrics } from "./metrics.ts";
import { type MissingFeatureTerms, missingFeatureTerms } from "./missing-features.ts";
import type { NonFinitePolicy } from "./non-finite.ts";
import { regulationRules } from "./regulations.ts";
import { type ReleaseTerms, releaseTerms } from "./release-gates.ts";
import { parsePercent, parseRate } from "./unit-texts.ts";
import { workloadSizesOf } from "./workload-sizes.ts";
import { predictionTimesOf } from "./workload-times.ts";

/** A charter's quantities as numbers, for those who enforce them. Pure reading: nothing is decided here twice. */
export interface CharterTerms extends ReleaseTerms {
  readonly latencyMsP95: number;
  readonly latencyMsP99: number;
  /** A request is given up after this time; where the charter is silent the p99 if there is a fallback, else twice the p99, so that a slow answer is late but not hung. */
  readonly requestTimeoutMs: number;
  /** Retries, and when a model is left alone. */
  readonly faultTolerance: FaultToleranceTerms;
  readonly rateLimit: RateLimit;
  /** Requests in flight at once, by Little's law: ceiling times timeout; no fewer than may come at once. */
  readonly concurrencyLimit: number;
  readonly featureFreshnessMs?: number;
  /** `stated`: callers may state the instant at which a feature's age is judged. */
  readonly featureTime: "arrival" | "stated";
  /** What becomes of online features that are missing or too old, by the names of views, and of all others. */
  readonly missingFeatures: MissingFeatureTerms;
  /** What becomes of NaN and infinities. */
  readonly nonFinite: { readonly inputs: NonFinitePolicy; readonly outputs: NonFinitePolicy };
  /** Between 0 and 1. */
  readonly availability: number;
  readonly snapshotAge: SnapshotAgeBound;
  readonly regulations: readonly Regulation[];
  readonly residency: { readonly regions: readonly string[]; readonly owners?: readonly string[] };
  readonly latencyClass: LatencyClass;
  readonly costCeilingPerMonth: Money;
  /** What it means that a month's money is spent. */
  readonly beyondCostCeiling: "alert" | "hold_new_work";
  readonly retentionMs: number;
  readonly trainingDataRetentionMs?: number;
  readonly logDurability: "buffered" | "durable";
  /** What answers when the model cannot, in this order; empty: nothing does. */
  readonly fallbacks: readonly FallbackStep[];
  readonly purposes: readonly string[];
  readonly environments: readonly Environment[];
  readonly explainability: CharterDocument["explainability"];
  /** What is explained without anybody asking; absent: nothing is. */
  readonly explanations?: ExplanationTerms;
  readonly humanReview: CharterDocument["humanReview"];
  /** What the review queue goes by; absent: there is none. */
  readonly review?: ReviewTerms;
  /** Work that asks for more than one of these needs approval; absent: none does. */
  readonly approvalAbove?: ApprovalSize;
}

export interface RateLimit {
  readonly requestsPerSecond: number;
  /** Requests that may come at once: a tenth of a second's worth, at least one. */
  readonly burst: number;
  readonly beyond: "reject" | "shed" | "queue";
  /** Parts of the ceiling, in (0, 1]; absent: all of it. */
  readonly clientShare?: number;
  readonly tenantShare?: number;
  readonly weight?: "requests" | "rows";
  readonly counting?: "leased" | "strict";
  /** Tokens of text, beside the requests; absent: no bound. */
  readonly tokens?: TokenLimit;
}

export interface TokenLimit {
  readonly tokensPerSecond: number;
  /** Tokens that may come at once: a minute's worth. */
  readonly burst: number;
}

/** How old the snapshot may be that a gateway without control answers from, and what it does beyond. */
export interface SnapshotAgeBound {
  readonly maximumMs: number;
  readonly beyond: "refuse" | "serve";
}

export interface AccuracyBound {
  readonly metric: MetricName;
  /** `floor`: the value must not be smaller. `ceiling`: it must not be larger. */
  readonly kind: "floor" | "ceiling";
  readonly value: number;
  readonly below: "alert" | "fallback" | "stop";
  /** What must keep the bound at a release; absent: the interval for ROC AUC and pass rate, the value for all others. */
  readonly heldBy?: "value" | "interval";
}

/** Whether the worse end of a metric's interval must keep the bound. Pure. */
export function isHeldByInterval({ metric, heldBy }: AccuracyBound): boolean {
  return heldBy === undefined ? metric === "roc_auc" || metric === "pass_rate" : heldBy === "interval";
}

/**
 * @param document a charter that passed `parseCharter` (or came out of the store)
 * @throws PortolanError `kernel.bad_unit` when it did not
 */
export function termsOf(document: CharterDocument): CharterTerms {
  const { requirements, nonNegotiables, retention } = document;
  const latencyMsP99 = parseDurationMs(requirements.latency.p99);
  const fallbacks = fallbackSteps(document.fallback);
  const faultTolerance = faultToleranceTerms(requirements.faultTolerance, {
    p99: latencyMsP99,
    sharesP99: sharesP99(document.apiVersion, fallbacks),
  });
  const requestTimeoutMs = faultTolerance.timeoutMs;
  const requestsPerSecond = parseRate(requirements.throughput.ceiling);
  const limit = rateLimit(requirements.throughput);
  const freshness = requirements.featureFreshness;
  const trainingData = retention.trainingData;
  const review = reviewTerms(document);
  const explanations = explanationTerms(document);
  const approvalAbove = approvalSize(document.capacity);
  return {
    latencyMsP95: parseDurationMs(requirements.latency.p95),
    latencyMsP99,
    requestTimeoutMs,
    faultTolerance,
    rateLimit: limit,
    concurrencyLimit: Math.max(limit.burst, Math.ceil((requestsPerSecond * requestTimeoutMs) / 1000)),
    accuracy: accuracyBound(requirements.accuracy),
    ...releaseTerms(document, requestsPerSecond),
    ...(freshness === undefined ? {} : { featureFreshnessMs: parseDurationMs(freshness) }),
    featureTime: requirements.featureTime ?? "arrival",
    missingFeatures: missingFeatureTerms(requirements.missingFeatures),
    nonFinite: {
      inputs: requirements.nonFinite?.inputs ?? "refuse",
      outputs: requirements.nonFinite?.outputs ?? "refuse",
    },
    availability: parsePercent(requirements.availability),
    snapshotAge: snapshotAge(document),
    regulations: nonNegotiables.regulations,
    residency: nonNegotiables.residency,
    latencyClass: nonNegotiables.latencyClass,
    costCeilingPerMonth: parseMonthlyMoney(nonNegotiables.costCeiling),
    beyondCostCeiling: nonNegotiables.beyondCostCeiling ?? "alert",
    retentionMs: parseDurationMs(retention.predictions),
    ...(trainingData === undefined ? {} : { trainingDataRetentionMs: parseDurationMs(trainingData) }),
    logDurability: logDurability(document),
    fallbacks,
    purposes: document.purposes,
    environments: document.environments,
    explainability: document.explainability,
    humanReview: document.humanReview,
    ...(explanations === undefined ? {} : { explanations }),
    ...(review === undefined ? {} : { review }),
    ...(approvalAbove === undefined ? {} : { approvalAbove }),
  };
}

function rateLimit(throughput: CharterDocument["requirements"]["throughput"]): RateLimit {
  const { ceiling, beyond, clientShare, tenantShare, weight, counting, tokens } = throughput;
  const requestsPerSecond = parseRate(ceiling);
  return {
    requestsPerSecond,
    burst: Math.max(1, Math.ceil(requestsPerSecond / 10)),
    beyond,
    ...(clientShare === undefined ? {} : { clientShare: parsePercent(clientShare) }),
    ...(tenantShare === undefined ? {} : { tenantShare: parsePercent(tenantShare) }),
    ...(weight === undefined ? {} : { weight }),
    ...(counting === undefined ? {} : { counting }),
    ...(tokens === undefined ? {} : { tokens: tokenLimit(tokens) }),
  };
}

/** What is known of the load, as numbers; absent where the charter is silent. */
export function workloadOf(document: CharterDocument) {
  const { workload } = document;
  const optional = <T>(text: string | undefined, parse: (text: string) => T) =>
    text === undefined ? undefined : parse(text);
  return {
    averageRequestsPerSecond: optional(workload?.averageThroughput, parseRate),
    recordBytes: optional(workload?.recordSize, parseBytes),
    modelBytes: optional(workload?.modelSize, parseBytes),
    rampMs: optional(workload?.rampTime, parseDurationMs),
    trainingDataBytes: optional(workload?.trainingDataSize, parseBytes),
    trainingRunMs: optional(workload?.trainingRunTime, parseDurationMs),
    trainingGpus: workload?.trainingGpus,
    dailyDataBytes: optional(workload?.dailyDataVolume, parseBytes),
    disconnected: workload?.disconnected ?? false,
    ...predictionTimesOf(workload),
    ...workloadSizesOf(workload),
  };
}

/** What fines are reckoned from; absent where the charter is silent. */
export function exposureOf(document: CharterDocument): {
  readonly records?: number;
  readonly yearlyRevenue?: Money;
} {
  const { records, yearlyRevenue } = document.nonNegotiables.exposure ?? {};
  if (yearlyRevenue === undefined) return records === undefined ? {} : { records };
  const [amount = "", currency = ""] = yearlyRevenue.replace(/\/year$/, "").split(/\s+/);
  return { ...(records === undefined ? {} : { records }), yearlyRevenue: money(amount, currency) };
}

const agesByRisk: Readonly<Record<CharterDocument["riskTolerance"]["level"], SnapshotAgeBound>> = {
  low: { maximumMs: parseDurationMs("24h"), beyond: "refuse" },
  medium: { maximumMs: parseDurationMs("72h"), beyond: "refuse" },
  high: { maximumMs: parseDurationMs("7d"), beyond: "serve" },
};

/** Where the charter is silent, whoever answers to a regulator or tolerates little risk waits a day for revocations, no longer. */
function snapshotAge(document: CharterDocument): SnapshotAgeBound {
  const { snapshotAge: stated } = document.requirements;
  if (stated) return { maximumMs: parseDurationMs(stated.maximum), beyond: stated.beyond };
  const isRegulated = document.nonNegotiables.regulations.length > 0;
  return agesByRisk[isRegulated ? "low" : document.riskTolerance.level];
}

function fallbackSteps({ kind, value, steps }: CharterDocument["fallback"]): readonly FallbackStep[] {
  switch (kind) {
    case "none":
      return [];
    case "constant":
      return value === undefined ? [] : [{ kind, value }];
    case "previous_version":
      return [{ kind }];
    case "chain":
      return steps ?? [];
  }
}

/** The charter's own word, but never less than a regulation asks. */
function logDurability(document: CharterDocument): "buffered" | "durable" {
  const demanded = document.nonNegotiables.regulations.some((name) => regulationRules[name].durableLog);
  return demanded ? "durable" : (document.log?.durability ?? "buffered");
}

function accuracyBound(accuracy: CharterDocument["requirements"]["accuracy"]): AccuracyBound {
  const { metric, below, heldBy, floor, ceiling } = accuracy;
  const held = { below, ...(heldBy === undefined ? {} : { heldBy }) };
  return metrics[metric].better === "higher"
    ? { metric, kind: "floor", value: floor ?? metrics[metric].least, ...held }
    : { metric, kind: "ceiling", value: ceiling ?? metrics[metric].most, ...held };
}

function tokenLimit(text: string): TokenLimit {
  const tokensPerSecond = parseRate(text);
  return { tokensPerSecond, burst: Math.max(1, Math.ceil(tokensPerSecond * 60)) };
}

/** `2000 USD/month` as money for one month. */
export function parseMonthlyMoney(text: string): Money {
  const [amount = "", currency = ""] = text.replace(/\/month$/, "").split(/\s+/);
  return money(amount, currency);
}

export type WorkloadTerms = ReturnType<typeof workloadOf>;
