import { formatDurationMs, formatMoney } from "@portolan/kernel";
import type { SourceLines } from "@portolan/yaml-source";
import { approvalSizeFacts } from "./approval-size.ts";
import { demandsFor } from "./demands.ts";
import type { DerivedCharter, DerivedItem } from "./derived.ts";
import type { CharterDocument } from "./document.ts";
import { enforcementOf } from "./enforcement-of.ts";
import { explanationFacts } from "./explanation-terms.ts";
import { type Fact, fact } from "./fact.ts";
import { faultToleranceFacts } from "./fault-tolerance.ts";
import { reviewFacts } from "./human-review.ts";
import { missingFeatureStatement } from "./missing-features.ts";
import { nonFiniteStatements } from "./non-finite.ts";
import { provenance } from "./provenance.ts";
import { releaseFacts } from "./release-gates.ts";
import { requiredSignatures } from "./required-signatures.ts";
import { type CharterTerms, termsOf } from "./terms.ts";

/**
 * Everything that follows from a charter. Pure: same charter, same list, in the charter's order.
 *
 * @param lines where each value stands in the file; without it items carry pointers only
 */
export function deriveFromCharter(document: CharterDocument, lines?: SourceLines): DerivedCharter {
  const terms = termsOf(document);
  const facts: Fact[] = [
    ...governance(document),
    ...latency(document, terms),
    ...faultToleranceFacts(document.requirements.faultTolerance, terms.faultTolerance),
    ...throughput(terms),
    ...accuracy(terms),
    ...freshnessAndAvailability(document, terms),
    ...missingFeatures(document, terms),
    ...nonFinite(document, terms),
    ...nonNegotiables(document, terms),
    ...keeping(document, terms),
    ...obligations(document),
    ...releaseFacts(document, terms),
    ...retraining(document),
    ...approvalSizeFacts(document.capacity),
  ];
  return { useCase: document.useCase.name, terms, items: facts.map((fact) => toItem(document, fact, lines)) };
}

function toItem(document: CharterDocument, fact: Fact, lines: SourceLines | undefined): DerivedItem {
  return {
    ...fact,
    from: fact.from.map((pointer) => provenance(pointer, lines)),
    enforcement: enforcementOf(document, fact.control),
    demandedBy: demandsFor(document, fact.control, lines),
  };
}

function governance(document: CharterDocument): Fact[] {
  const required = requiredSignatures(document);
  const roles = required.map((entry) => entry.role);
  const from = [...new Set(required.flatMap((entry) => entry.because.map((reason) => reason.pointer)))];
  const { purposes, environments } = document;
  return [
    fact("required_signatures", "policy", from, `Signed by ${roles.join(", ")} before it governs.`, roles),
    fact(
      "purpose_required",
      "policy",
      "/purposes",
      `Every request names one of: ${purposes.join(", ")}.`,
      purposes,
    ),
    fact(
      "environment_limits",
      "policy",
      "/environments",
      `Runs in ${environments.join(", ")} only.`,
      environments,
    ),
  ];
}

function latency({ requirements }: CharterDocument, terms: CharterTerms): Fact[] {
  const at = "/requirements/latency";
  const p95 = formatDurationMs(terms.latencyMsP95);
  const p99 = formatDurationMs(terms.latencyMsP99);
  const value = { p95Ms: terms.latencyMsP95, p99Ms: terms.latencyMsP99 };
  const timeout = formatDurationMs(terms.requestTimeoutMs);
  const isStated = requirements.faultTolerance?.timeout !== undefined;
  return [
    fact(
      "latency_slo",
      "slo",
      [`${at}/p95`, `${at}/p99`],
      `p95 within ${p95} and p99 within ${p99}, or an alert.`,
      value,
    ),
    ...(terms.modelBudget?.latency
      ? []
      : [
          fact("latency_gate", "gate", `${at}/p99`, `A version slower than p99 ${p99} is not released.`, {
            p99Ms: terms.latencyMsP99,
          }),
        ]),
    fact(
      "request_timeout",
      "limit",
      isStated ? "/requirements/faultTolerance/timeout" : `${at}/p99`,
      `A prediction is given up after ${timeout}${reasonOf(isStated, terms)}.`,
      {
        timeoutMs: terms.requestTimeoutMs,
      },
    ),
  ];
}

/** Where the time to give up after comes from; said as well where a fallback may come later than the p99, as the charter then has it. */
function reasonOf(isStated: boolean, { fallbacks, requestTimeoutMs, latencyMsP99 }: CharterTerms): string {
  if (fallbacks.length === 0) return isStated ? "" : " (twice the p99)";
  if (!isStated)
    return requestTimeoutMs > latencyMsP99 ? " (twice the p99)" : " (the p99), fallback included";
  return requestTimeoutMs > latencyMsP99 ? ", fallback included: later than the p99" : ", fallback included";
}

function throughput(terms: CharterTerms): Fact[] {
  const at = "/requirements/throughput";
  const { beyond } = terms.rateLimit;
  const limits = [rateLimitFact(at, terms.rateLimit), ...tokenLimitFacts(at, terms.rateLimit)];
  const quota = fact(
    "concurrency_quota",
    "limit",
    [`${at}/ceiling`, "/requirements/latency/p99"],
    `At most ${terms.concurrencyLimit} requests in flight.`,
    { requestsInFlight: terms.concurrencyLimit },
  );
  if (beyond === "reject") return [...limits, quota];
  const [control, statement] =
    beyond === "shed"
      ? (["load_shedding", "Beyond the ceiling the least important requests are dropped first."] as const)
      : (["load_queueing", "Beyond the ceiling requests wait, as long as the p99 allows."] as const);
  return [...limits, quota, fact(control, "limit", `${at}/beyond`, statement, beyond)];
}

function tokenLimitFacts(at: string, { tokens }: CharterTerms["rateLimit"]): Fact[] {
  if (!tokens) return [];
  const { tokensPerSecond, burst } = tokens;
  const minute = Number((tokensPerSecond * 60).toFixed(3));
  const statement = `At most ${minute} tokens of text a minute, ${burst} at once.`;
  return [fact("token_limit", "limit", `${at}/tokens`, statement, { tokensPerSecond, burst })];
}

function rateLimitFact(at: string, rate: CharterTerms["rateLimit"]): Fact {
  const { requestsPerSecond, burst, beyond: _, tokens: __, weight = "requests", ...shares } = rate;
  const percent = (share: number): string => `${Number((share * 100).toFixed(6))}%`;
  const { clientShare, tenantShare, counting } = shares;
  const parts = [
    ...(clientShare === undefined ? [] : [`one client ${percent(clientShare)} of it`]),
    ...(tenantShare === undefined ? [] : [`one business unit ${percent(tenantShare)} of it`]),
    ...(counting === "strict" ? ["counted strictly over all gateways"] : []),
  ];
  const statement = [`At most ${requestsPerSecond} ${weight} a second, ${burst} at once`, ...parts].join(
    "; ",
  );
  const from = [
    "ceiling",
    ...(["clientShare", "tenantShare", "weight", "counting"] as const).filter(
      (name) => rate[name] !== undefined,
    ),
  ];
  return fact(
    "rate_limit",
    "limit",
    from.map((name) => `${at}/${name}`),
    `${statement}.`,
    {
      requestsPerSecond,
      burst,
      ...(weight === "requests" ? {} : { weight }),
      ...shares,
    },
  );
}

function accuracy(terms: CharterTerms): Fact[] {
  const at = "/requirements/accuracy";
  const { metric, kind, value, below, heldBy } = terms.accuracy;
  const bound = `${metric} ${kind === "floor" ? "of at least" : "of at most"} ${value}`;
  const gate = fact(
    "accuracy_gate",
    "gate",
    [`${at}/metric`, `${at}/${kind}`, ...(heldBy === undefined ? [] : [`${at}/heldBy`])],
    `A version without ${bound}${heldBy === "interval" ? " at the worse end of its interval" : ""} is not released.`,
    {
      metric,
      [kind]: value,
    },
  );
  const consequences = {
    alert: ["accuracy_alert", "the owners are alerted"],
    fallback: ["accuracy_fallback", "the fallback answers"],
    stop: ["accuracy_stop", "the endpoint stops"],
  } as const;
  const [control, then] = consequences[below];
  return [
    gate,
    fact(control, "alert", `${at}/below`, `Without ${bound} in production, ${then}.`, {
      metric,
      [kind]: value,
    }),
    fact(
      "drift_alert",
      "alert",
      at,
      "Drift of inputs and predictions alerts before the outcomes are in.",
      true,
    ),
  ];
}

function snapshotAgeFact(document: CharterDocument, { snapshotAge }: CharterTerms): Fact {
  const from = document.requirements.snapshotAge
    ? "/requirements/snapshotAge"
    : document.nonNegotiables.regulations.length > 0
      ? "/nonNegotiables/regulations"
      : "/riskTolerance/level";
  const then = snapshotAge.beyond === "refuse" ? "predictions are refused" : "every answer says how long";
  return fact(
    "snapshot_age",
    "policy",
    from,
    `A gateway without control answers for ${formatDurationMs(snapshotAge.maximumMs)}; then ${then}.`,
    { maximumMs: snapshotAge.maximumMs, beyond: snapshotAge.beyond },
  );
}

function freshnessAndAvailability(document: CharterDocument, terms: CharterTerms): Fact[] {
  const { featureFreshnessMs, featureTime, availability } = terms;
  const judgedAt =
    featureTime === "stated"
      ? ", judged at the instant that the caller may state (marked in the record)"
      : "";
  const freshness =
    featureFreshnessMs === undefined
      ? []
      : [
          fact(
            "feature_freshness",
            "slo",
            "/requirements/featureFreshness",
            `No feature value older than ${formatDurationMs(featureFreshnessMs)} enters a prediction${judgedAt}.`,
            { maximumAgeMs: featureFreshnessMs, judgedAt: featureTime },
          ),
        ];
  // A month of 30 days, as error budgets are usually quoted.
  const minutes = Number(((1 - availability) * 43_200).toFixed(1));
  return [
    ...freshness,
    fact(
      "availability_slo",
      "slo",
      "/requirements/availability",
      `At most ${minutes} minutes a month without answers.`,
      {
        availability,
        errorBudgetMinutesPerMonth: minutes,
      },
    ),
    snapshotAgeFact(document, terms),
  ];
}

/** Where the charter is silent nothing is derived: the deployment's stand-ins count, as they always did. */
function missingFeatures(
  { requirements }: CharterDocument,
  { missingFeatures: terms }: CharterTerms,
): Fact[] {
  if (!requirements.missingFeatures) return [];
  const statement = missingFeatureStatement(terms);
  return [fact("missing_features", "policy", "/requirements/missingFeatures", statement, { ...terms })];
}

function nonFinite({ requirements }: CharterDocument, { nonFinite: policy }: CharterTerms): Fact[] {
  return (["inputs", "outputs"] as const).map((side) => {
    const at = requirements.nonFinite?.[side] === undefined ? "" : `/nonFinite/${side}`;
    const statement = nonFiniteStatements[side][policy[side]];
    return fact(`non_finite_${side}`, "policy", `/requirements${at}`, statement, policy[side]);
  });
}

function nonNegotiables(document: CharterDocument, terms: CharterTerms): Fact[] {
  const { residency } = document.nonNegotiables;
  const owners =
    residency.owners ?? (document.riskTolerance.dataSovereignty === "strict" ? ["self"] : undefined);
  const from =
    residency.owners || !owners
      ? ["/nonNegotiables/residency"]
      : ["/nonNegotiables/residency", "/riskTolerance/dataSovereignty"];
  const on = owners ? `, on machines of ${owners.join(", ")}` : "";
  const ceiling = terms.costCeilingPerMonth;
  return [
    fact("residency", "policy", from, `Data stays in ${residency.regions.join(", ")}${on}.`, {
      regions: residency.regions,
      ...(owners ? { owners } : {}),
    }),
    fact(
      "budget",
      "budget",
      document.nonNegotiables.beyondCostCeiling === undefined
        ? "/nonNegotiables/costCeiling"
        : ["/nonNegotiables/costCeiling", "/nonNegotiables/beyondCostCeiling"],
      `Costs at most ${formatMoney(ceiling)} a month; alerts at 50, 80 and 100 %${terms.beyondCostCeiling === "hold_new_work" ? ", and no new training or scoring beyond" : ""}.`,
      {
        perMonth: formatMoney(ceiling),
        alertAtPercent: [50, 80, 100],
        ...(terms.beyondCostCeiling === "alert" ? {} : { beyond: terms.beyondCostCeiling }),
      },
    ),
  ];
}

function keeping(document: CharterDocument, terms: CharterTerms): Fact[] {
  const durableBy = document.log ? ["/log/durability"] : ["/nonNegotiables/regulations"];
  const durable = terms.logDurability === "durable";
  return [
    fact(
      "log_durability",
      "policy",
      durableBy,
      durable
        ? "A prediction is on disk before it is answered."
        : "A prediction is written before it is answered, and on disk soon after.",
      terms.logDurability,
    ),
    fact(
      "retention",
      "retention",
      "/retention/predictions",
      `Prediction records are kept for ${document.retention.predictions}, then erased.`,
      { predictionsMs: terms.retentionMs },
    ),
    ...(terms.trainingDataRetentionMs === undefined
      ? []
      : [
          fact(
            "training_data_retention",
            "retention",
            "/retention/trainingData",
            `Training data is kept for ${document.retention.trainingData ?? ""}, then erased.`,
            { trainingDataMs: terms.trainingDataRetentionMs },
          ),
        ]),
  ];
}

function fallbackFacts({ fallbacks }: CharterTerms): Fact[] {
  const described = {
    previous_version: ["previous_version_fallback", "the version before"],
    secondary_model: ["secondary_model_fallback", "the deployment's secondary model"],
    rule: ["rule_fallback", "the rule over the request's columns"],
    constant: ["constant_fallback", "the constant"],
  } as const;
  return fallbacks.map((step, at) => {
    const [control, answer] = described[step.kind];
    const which = step.kind === "constant" ? `${answer} ${step.value}` : answer;
    const when = at === 0 ? "When the model cannot answer" : "When the step before cannot answer either";
    return fact(control, "policy", "/fallback", `${when}, ${which} does.`, { ...step });
  });
}

function obligations(document: CharterDocument): Fact[] {
  return [...fallbackFacts(termsOf(document)), ...explanationFacts(document), ...reviewFacts(document)];
}

function retraining(document: CharterDocument): Fact[] {
  const rule = document.retraining;
  if (!rule) return [];
  const when = [
    ...(rule.every ? [`every ${rule.every}`] : []),
    ...(rule.onDrift ? ["on drift"] : []),
    ...(rule.onConceptDrift ? ["on concept drift"] : []),
    ...(rule.onAccuracyBelow === undefined
      ? []
      : [`when ${document.requirements.accuracy.metric} falls below ${rule.onAccuracyBelow}`]),
  ];
  return [fact("retraining", "policy", "/retraining", `Trained again ${when.join(", ")}.`, { ...rule })];
}
