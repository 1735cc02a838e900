import {
  compareMoney,
  formatDurationMs,
  isPortolanError,
  parseDurationMs,
  zeroMoney,
} from "@portolan/kernel";
import { approvalSizeFindings } from "./approval-size.ts";
import { deriveFromCharter } from "./derive.ts";
import type { CharterDocument } from "./document.ts";
import { explanationFindings } from "./explanation-terms.ts";
import { type AnswerTerms, faultToleranceFindings, sharesP99 } from "./fault-tolerance.ts";
import { reviewFindings } from "./human-review.ts";
import { metrics } from "./metrics.ts";
import { regulationRules } from "./regulations.ts";
import { releaseFindings } from "./release-gates.ts";
import type { Finding } from "./schema-findings.ts";
import { termsOf } from "./terms.ts";
import { parsePercent, parseRate } from "./unit-texts.ts";
import { workloadSizeFindings } from "./workload-sizes.ts";
import { predictionTimeFindings } from "./workload-times.ts";

function answerTerms(document: CharterDocument): AnswerTerms {
  const { latencyMsP99, fallbacks } = termsOf(document);
  return { p99: latencyMsP99, sharesP99: sharesP99(document.apiVersion, fallbacks) };
}

/** What a schema cannot say: promises that contradict each other, the metric's range, or a regulation. */
export function coherenceFindings(document: CharterDocument): Finding[] {
  const unreadable = unreadableQuantities(document);
  if (unreadable.length > 0) return unreadable;
  return [
    ...latencyFindings(document),
    ...loadFindings(document),
    ...accuracyFindings(document),
    ...nonFiniteFindings(document),
    ...faultToleranceFindings(document.requirements.faultTolerance, answerTerms(document)),
    ...missingFeatureFindings(document),
    ...regulationFindings(document),
    ...snapshotAgeFindings(document),
    ...policyFindings(document),
    ...releaseFindings(document),
    ...explanationFindings(document),
    ...reviewFindings(document),
    ...approvalSizeFindings(document.capacity),
    ...workloadSizeFindings(document.workload),
    ...predictionTimeFindings(document.workload),
    ...demandFindings(document),
  ];
}

/** A quantity can fit its pattern and still be no quantity, e.g. an amount beyond nine decimals. */
function unreadableQuantities(document: CharterDocument): Finding[] {
  try {
    termsOf(document);
    return [];
  } catch (error) {
    if (!isPortolanError(error)) throw error;
    return [
      { pointer: "", detail: error.detail ?? error.message, ...(error.mend ? { mend: error.mend } : {}) },
    ];
  }
}

const realTimeP95Ms = 100;
const interactiveP95Ms = 2000;

function latencyFindings(document: CharterDocument): Finding[] {
  const { p95, p99 } = document.requirements.latency;
  const findings: Finding[] = [];
  const p95Ms = parseDurationMs(p95);
  if (p95Ms <= 0) {
    findings.push({
      pointer: "/requirements/latency/p95",
      detail: "p95 is zero",
      mend: "Promise a time above zero.",
    });
  }
  if (p95Ms > parseDurationMs(p99)) {
    findings.push({
      pointer: "/requirements/latency/p99",
      detail: `p99 (${p99}) is shorter than p95 (${p95})`,
      mend: "Raise p99 to at least p95: 99 of 100 include the 95.",
    });
  }
  const { latencyClass } = document.nonNegotiables;
  const bound =
    latencyClass === "real_time"
      ? realTimeP95Ms
      : latencyClass === "interactive"
        ? interactiveP95Ms
        : undefined;
  if (bound !== undefined && p95Ms > bound) {
    findings.push({
      pointer: "/nonNegotiables/latencyClass",
      detail: `${latencyClass} means a p95 of at most ${formatDurationMs(bound)}, and p95 is ${p95}`,
      mend: "Lower p95, or choose another latency class.",
    });
  }
  return findings;
}

function loadFindings(document: CharterDocument): Finding[] {
  const findings: Finding[] = [];
  const { ceiling, tokens } = document.requirements.throughput;
  if (tokens !== undefined && parseRate(tokens) <= 0) {
    findings.push({
      pointer: "/requirements/throughput/tokens",
      detail: "no token is promised",
      mend: "Promise some, e.g. 60000 tpm, or leave it out.",
    });
  }
  if (parseRate(ceiling) <= 0) {
    findings.push({
      pointer: "/requirements/throughput/ceiling",
      detail: "the ceiling is zero",
      mend: "Promise some load, e.g. 10 rps.",
    });
  }
  for (const name of ["clientShare", "tenantShare"] as const) {
    const share = document.requirements.throughput[name];
    if (share === undefined || (parsePercent(share) > 0 && parsePercent(share) <= 1)) continue;
    findings.push({
      pointer: `/requirements/throughput/${name}`,
      detail: `a share of ${share} is no part of the ceiling`,
      mend: "State more than 0% and at most 100%.",
    });
  }
  const average = document.workload?.averageThroughput;
  if (average !== undefined && parseRate(average) > parseRate(ceiling)) {
    findings.push({
      pointer: "/workload/averageThroughput",
      detail: `the average load (${average}) is above the ceiling (${ceiling})`,
      mend: "Raise the ceiling or correct the average.",
    });
  }
  const { rampTime } = document.workload ?? {};
  if (rampTime !== undefined && parseDurationMs(rampTime) <= 0) {
    findings.push({
      pointer: "/workload/rampTime",
      detail: "load rises in no time at all",
      mend: "State how long its fastest rise takes, e.g. 30min.",
    });
  }
  const availability = parsePercent(document.requirements.availability);
  if (availability <= 0 || availability >= 1) {
    findings.push({
      pointer: "/requirements/availability",
      detail: `an availability of ${document.requirements.availability} can be neither kept nor broken`,
      mend: "Promise something between 0% and 100%, e.g. 99.5%.",
    });
  }
  const cost = termsOf(document).costCeilingPerMonth;
  if (compareMoney(cost, zeroMoney(cost.currency)) <= 0) {
    findings.push({
      pointer: "/nonNegotiables/costCeiling",
      detail: "the cost ceiling is zero",
      mend: "State the approved budget, e.g. 2000 USD/month.",
    });
  }
  return findings;
}

function nonFiniteFindings(document: CharterDocument): Finding[] {
  const { nonFinite, fallbacks } = termsOf(document);
  if (fallbacks.length > 0) return [];
  return (["inputs", "outputs"] as const)
    .filter((side) => nonFinite[side] === "fallback")
    .map((side) => ({
      pointer: `/requirements/nonFinite/${side}`,
      detail: "the fallback is to answer, and the charter has none",
      mend: "State a fallback, or refuse.",
    }));
}

function missingFeatureFindings(document: CharterDocument): Finding[] {
  const { missingFeatures, fallbacks } = termsOf(document);
  if (fallbacks.length > 0) return [];
  const views = Object.entries(missingFeatures.views).map(([view, then]) => [`views/${view}`, then] as const);
  return [["otherwise", missingFeatures.otherwise] as const, ...views]
    .filter(([, then]) => then === "fallback")
    .map(([at]) => ({
      pointer: `/requirements/missingFeatures/${at}`,
      detail: "the fallback is to answer, and the charter has none",
      mend: "State a fallback, or refuse.",
    }));
}

function accuracyFindings(document: CharterDocument): Finding[] {
  const { metric, floor, ceiling, below } = document.requirements.accuracy;
  const { better, least, most } = metrics[metric];
  const at = "/requirements/accuracy";
  const [wanted, value, other] =
    better === "higher" ? (["floor", floor, ceiling] as const) : (["ceiling", ceiling, floor] as const);
  if (value === undefined || other !== undefined) {
    return [
      {
        pointer: at,
        detail: `${metric} is ${better === "higher" ? "better when higher" : "better when lower"}`,
        mend: `State ${wanted}, and only ${wanted}.`,
      },
    ];
  }
  if (value < least || value > most) {
    return [
      {
        pointer: `${at}/${wanted}`,
        detail: `${metric} cannot be ${value}`,
        mend: `Write a value between ${least} and ${most}.`,
      },
    ];
  }
  if (below === "fallback" && document.fallback.kind === "none") {
    return [
      {
        pointer: `${at}/below`,
        detail: "below the bound the fallback answers, and there is none",
        mend: "Describe a fallback, or write alert or stop.",
      },
    ];
  }
  return [];
}

function regulationFindings(document: CharterDocument): Finding[] {
  const keptMs = parseDurationMs(document.retention.predictions);
  return document.nonNegotiables.regulations.flatMap((name): Finding[] => {
    const rule = regulationRules[name];
    const findings: Finding[] = [];
    if (rule.keepAtLeast && keptMs < parseDurationMs(rule.keepAtLeast)) {
      findings.push({
        pointer: "/retention/predictions",
        detail: `${name} asks that records are kept for ${rule.keepAtLeast}, not ${document.retention.predictions}`,
        mend: `Write ${rule.keepAtLeast} or more (${rule.source}).`,
      });
    }
    if (rule.durableLog && document.log?.durability === "buffered") {
      findings.push({
        pointer: "/log/durability",
        detail: `${name} asks for a durable log, and the charter says buffered`,
        mend: "Remove the override; the log is then durable.",
      });
    }
    if (rule.accessEnds && document.requirements.snapshotAge?.beyond === "serve") {
      findings.push({
        pointer: "/requirements/snapshotAge/beyond",
        detail: `${name} asks that access ends when it is taken away, and a gateway without control never hears of it`,
        mend: "Write refuse.",
      });
    }
    if (rule.humanOversight && document.humanReview === "none") {
      findings.push({
        pointer: "/humanReview",
        detail: `${name} asks that a person can step in, and humanReview is none`,
        mend: "Write below_confidence or every_prediction.",
      });
    }
    return findings;
  });
}

/** Control signs an unchanged snapshot anew every minute; a shorter patience would refuse while all is well. */
const shortestSnapshotAge = "5min";

function snapshotAgeFindings({ requirements: { snapshotAge } }: CharterDocument): Finding[] {
  if (!snapshotAge || parseDurationMs(snapshotAge.maximum) >= parseDurationMs(shortestSnapshotAge)) return [];
  return [
    {
      pointer: "/requirements/snapshotAge/maximum",
      detail: `snapshots are renewed every minute, and ${snapshotAge.maximum} leaves no room for a late one`,
      mend: `Write ${shortestSnapshotAge} or more.`,
    },
  ];
}

function fallbackFindings(fallback: CharterDocument["fallback"]): Finding[] {
  const findings: Finding[] = [];
  if ((fallback.kind === "constant") !== (fallback.value !== undefined)) {
    findings.push({
      pointer: "/fallback",
      detail:
        fallback.kind === "constant"
          ? "a constant fallback has no value"
          : `fallback ${fallback.kind} takes no value`,
      mend:
        fallback.kind === "constant"
          ? "Add value: the answer to give."
          : "Remove value, or write kind: constant.",
    });
  }
  if ((fallback.kind === "chain") !== (fallback.steps !== undefined)) {
    findings.push({
      pointer: "/fallback",
      detail: fallback.kind === "chain" ? "a chain has no steps" : `fallback ${fallback.kind} takes no steps`,
      mend: "Write kind: chain together with steps, or neither.",
    });
  }
  const constantAt = fallback.steps?.findIndex(({ kind }) => kind === "constant") ?? -1;
  if (constantAt !== -1 && constantAt < (fallback.steps?.length ?? 0) - 1) {
    findings.push({
      pointer: `/fallback/steps/${constantAt}`,
      detail: "a constant always answers, so the steps after it never do",
      mend: "Put the constant last.",
    });
  }
  return findings;
}

function policyFindings(document: CharterDocument): Finding[] {
  const findings: Finding[] = [];
  const { fallback, retraining, model } = document;
  findings.push(...fallbackFindings(fallback));
  if (
    retraining &&
    retraining.every === undefined &&
    !retraining.onDrift &&
    !retraining.onConceptDrift &&
    retraining.onAccuracyBelow === undefined
  ) {
    findings.push({
      pointer: "/retraining",
      detail: "nothing starts the retraining",
      mend: "Add every, onDrift, onConceptDrift or onAccuracyBelow.",
    });
  }
  if (retraining && model.trainer === undefined) {
    findings.push({
      pointer: "/retraining",
      detail: "an imported model cannot be retrained here",
      mend: "Add model.trainer, or remove retraining.",
    });
  }
  const emails = document.owners.map((owner) => `${owner.email.toLowerCase()} ${owner.role}`);
  emails.forEach((entry, index) => {
    if (emails.indexOf(entry) !== index) {
      findings.push({
        pointer: `/owners/${index}`,
        detail: "this person has that role already",
        mend: "Remove one of the two.",
      });
    }
  });
  return findings;
}

/** A demand for something that the charter does not ask for would block production for no reason that a reader could see. */
function demandFindings(document: CharterDocument): Finding[] {
  const derived = new Set(deriveFromCharter(document).items.map((item) => item.control));
  return (document.demandedControls ?? []).flatMap((control, index) =>
    derived.has(control)
      ? []
      : [
          {
            pointer: `/demandedControls/${index}`,
            detail: `${control} is demanded, and nothing in the charter asks for it`,
            mend: "Add the section that it belongs to, or remove the demand.",
          },
        ],
  );
}
