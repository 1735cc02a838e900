import { formatDurationMs, parseDurationMs } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import { type Fact, fact } from "./fact.ts";
import type { Finding } from "./schema-findings.ts";
import { closed } from "./schema-parts.ts";
import { DurationText, PercentText, parsePercent } from "./unit-texts.ts";

/** When a request is given up or tried again, and when a model is left alone. */
export const FaultTolerance = Type.Object(
  {
    timeout: Type.Optional(
      DurationText(
        "A prediction is given up after this time, fallbacks included. Absent: twice the p99; since portolan/v2 the p99 where there is a fallback.",
      ),
    ),
    retries: Type.Optional(
      PercentText(
        "Share of the requests that may be tried a second time after somebody else ended their run; 0%: none. Absent: 20%.",
      ),
    ),
    circuitBreaker: Type.Optional(
      Type.Object(
        {
          consecutiveFailures: Type.Optional(
            Type.Integer({ minimum: 1, maximum: 1000, description: "Failures in a row. Absent: 5." }),
          ),
          failureRate: Type.Optional(
            PercentText(
              "Share of at least 20 answers within ten seconds that failed, or were slow. Absent: 50%.",
            ),
          ),
          slowerThan: Type.Optional(
            DurationText("An answer that took longer is a slow one. Absent: the p99."),
          ),
          openFor: Type.Optional(
            DurationText(
              "How long the model is left alone at first; doubled with each failed trial. Absent: 1s.",
            ),
          ),
        },
        {
          ...closed,
          description: "When a model version is taken to be broken, and only the fallback answers.",
        },
      ),
    ),
  },
  {
    ...closed,
    description: "Timeouts, retries and the circuit breaker. Absent: the values that each field names.",
  },
);
type Stated = Static<typeof FaultTolerance> | undefined;

/** The same as numbers, where nothing is left open. */
export interface FaultToleranceTerms {
  readonly timeoutMs: number;
  /** Between 0 and 1. */
  readonly retryShare: number;
  readonly breaker: {
    readonly consecutiveFailures: number;
    /** Between 0 and 1. */
    readonly failureRate: number;
    readonly slowMs: number;
    readonly openMs: number;
  };
}

/** What the charter says elsewhere that its time depends on. */
export interface AnswerTerms {
  /** Milliseconds. */
  readonly p99: number;
  /** Whether model and fallback have the p99 together: `sharesP99`. */
  readonly sharesP99: boolean;
}

/**
 * Whether what answers when the model cannot does so within the p99 by itself: where there is something, since `portolan/v2`. Charters that
 * were signed before go on meaning what they meant. Pure.
 */
export function sharesP99(apiVersion: string, fallbacks: readonly unknown[]): boolean {
  return apiVersion !== "portolan/v1" && fallbacks.length > 0;
}

/**
 * Without a fallback a slow answer is worth more than none, so that the time is twice the p99. With one the model and what answers for it
 * have the p99 together.
 */
export function faultToleranceTerms(
  stated: Stated,
  { p99, sharesP99: shares }: AnswerTerms,
): FaultToleranceTerms {
  const { timeout, retries, circuitBreaker = {} } = stated ?? {};
  const { consecutiveFailures = 5, failureRate, slowerThan, openFor } = circuitBreaker;
  const silentTimeoutMs = Math.ceil(shares ? p99 : p99 * 2);
  return {
    timeoutMs: timeout === undefined ? silentTimeoutMs : Math.ceil(parseDurationMs(timeout)),
    retryShare: retries === undefined ? 0.2 : parsePercent(retries),
    breaker: {
      consecutiveFailures,
      failureRate: failureRate === undefined ? 0.5 : parsePercent(failureRate),
      slowMs: slowerThan === undefined ? p99 : parseDurationMs(slowerThan),
      openMs: openFor === undefined ? 1000 : parseDurationMs(openFor),
    },
  };
}

const at = "/requirements/faultTolerance";
const longestOpenMs = 3_600_000;
/** Nobody waits longer for one prediction; timers of the kernel end at 24 days. */
const longestTimeoutMs = 3_600_000;

/** What the charter itself says of it; its silence is the defaults, which derive nothing. */
export function faultToleranceFacts(stated: Stated, { retryShare, breaker }: FaultToleranceTerms): Fact[] {
  const facts: Fact[] = [];
  if (stated?.retries !== undefined) {
    const statement =
      retryShare === 0
        ? "No request is tried a second time."
        : `At most ${stated.retries} of the requests are tried a second time, or three in ten seconds where that is more.`;
    facts.push(fact("retry_budget", "policy", `${at}/retries`, statement, { share: retryShare }));
  }
  if (stated?.circuitBreaker !== undefined) {
    const { consecutiveFailures, failureRate, slowMs, openMs } = breaker;
    const percent = Number((failureRate * 100).toFixed(6));
    const statement = `After ${consecutiveFailures} failures in a row, or when ${percent} % of the answers fail or take longer than ${formatDurationMs(slowMs)}, the model is left alone for ${formatDurationMs(openMs)}.`;
    facts.push(fact("circuit_breaker", "policy", `${at}/circuitBreaker`, statement, { ...breaker }));
  }
  return facts;
}

export function faultToleranceFindings(stated: Stated, answers: AnswerTerms): Finding[] {
  if (!stated) return [];
  const terms = faultToleranceTerms(stated, answers);
  const { retryShare } = terms;
  const retries = {
    pointer: `${at}/retries`,
    detail: `${stated.retries} of the requests tried again would make an overload worse`,
    mend: "State at most 50%.",
  };
  return [
    ...timeoutFindings(terms, answers.p99),
    ...(retryShare > 0.5 ? [retries] : []),
    ...breakerFindings(stated.circuitBreaker?.failureRate, terms),
  ];
}

function timeoutFindings({ timeoutMs }: FaultToleranceTerms, p99: number): Finding[] {
  const [pointer, timeout] = [`${at}/timeout`, formatDurationMs(timeoutMs)];
  if (timeoutMs < p99) {
    const detail = `a timeout of ${timeout} gives up answers that the p99 of ${formatDurationMs(p99)} allows`;
    return [{ pointer, detail, mend: "State at least the p99." }];
  }
  return timeoutMs > longestTimeoutMs
    ? [{ pointer, detail: `nobody waits ${timeout} for one prediction`, mend: "State at most 1h." }]
    : [];
}

function breakerFindings(
  statedRate: string | undefined,
  { timeoutMs, breaker }: FaultToleranceTerms,
): Finding[] {
  const { failureRate, slowMs, openMs } = breaker;
  const finding = (name: string, detail: string, mend: string): Finding => ({
    pointer: `${at}/circuitBreaker/${name}`,
    detail,
    mend,
  });
  const findings: Finding[] = [];
  if (failureRate <= 0 || failureRate > 1) {
    const detail = `a share of ${statedRate} is no part of the answers`;
    findings.push(finding("failureRate", detail, "State more than 0% and at most 100%."));
  }
  if (slowMs <= 0)
    findings.push(
      finding("slowerThan", "every answer takes longer than no time", "State a time above 0, e.g. the p99."),
    );
  if (slowMs > timeoutMs) {
    const [slow, timeout] = [formatDurationMs(slowMs), formatDurationMs(timeoutMs)];
    const detail = `no answer takes longer than ${slow}: it is given up after ${timeout}`;
    findings.push(finding("slowerThan", detail, "State no more than the timeout."));
  }
  if (openMs < 1 || openMs > longestOpenMs) {
    const detail = `${formatDurationMs(openMs)} is no time to leave a model alone for`;
    findings.push(finding("openFor", detail, "State a time between 1ms and 1h."));
  }
  return findings;
}
