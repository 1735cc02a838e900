import { asEpochMicros, formatInstant } from "@portolan/kernel";
import { conceptPolicy } from "../performance/concept-drift.ts";
import type { PerformanceSeries } from "../performance/performance-schema.ts";
import { alertKey, type Finding } from "./finding.ts";

/**
 * What the outcomes of a version say of its errors: firing while it is wrong more often than in its reference; recovered once the newest outcomes are no
 * worse than that. A drift that has left the stretch of time without enough new outcomes is neither. Pure.
 *
 * @returns undefined without a reference, for shadows (they answer nobody) and fallbacks (they stand in)
 */
export function conceptFinding(endpoint: string, series: PerformanceSeries): Finding | undefined {
  const { concept, variant, environment, useCaseId, model, version } = series;
  if (!concept || variant === "shadow" || variant === "fallback") return undefined;
  const { state, reference, recent } = concept;
  const isBack = recent.cases >= conceptPolicy.recent && recent.wrong <= reference.rate * recent.cases;
  const of = { kind: "concept", environment, useCaseId, endpoint, variant, model, version } as const;
  const share = recent.cases === 0 ? 0 : recent.wrong / recent.cases;
  const usual = reference.wrong / reference.cases;
  const since = concept.since === null ? "" : `, since about ${instant(concept.since)}`;
  return {
    ...of,
    key: alertKey(of, "errors"),
    condition: state === "drifted" ? "firing" : isBack ? "recovered" : "unclear",
    summary: `${environment}/${endpoint} (${model}/${version}): ${percent(share)} of the newest ${recent.cases} outcomes show a wrong answer, where it was ${percent(usual)} of ${reference.cases} in its first mature days${since}`,
    evidence: {
      share,
      referenceShare: usual,
      referenceRate: reference.rate,
      referenceCases: reference.cases,
      evidence: concept.evidence,
      bound: concept.bound,
      ...(concept.since === null ? {} : { since: instant(concept.since) }),
      ...(concept.foundAt === null ? {} : { foundAt: instant(concept.foundAt) }),
    },
  };
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function instant(micros: number): string {
  return formatInstant(asEpochMicros(micros));
}
