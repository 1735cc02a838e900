import type { Environment } from "@portolan/kernel";
import { type BurnSeverity, burnsOf, type WindowCounts } from "../objectives/burn.ts";
import { noRequests } from "../objectives/count-requests.ts";
import type { Objective } from "../objectives/objective.ts";
import { alertKey, type Finding } from "./finding.ts";

/** Whose objectives are judged. */
export interface JudgedEndpoint {
  readonly environment: Environment;
  readonly endpoint: string;
  readonly useCaseId: string;
}

const words = {
  page: "burns fast",
  ticket: "burns slowly, and will not last",
} as const satisfies Record<BurnSeverity, string>;

/**
 * What an objective's windows say, one finding for each severity: firing where one of its burn rates does, by both windows; recovered where none does
 * and the short windows had requests, or nobody asks any more. In between, while an endpoint is not asked for a moment, things stay as they are. Pure.
 */
export function objectiveFindings(
  { environment, endpoint, useCaseId }: JudgedEndpoint,
  objective: Objective,
  counts: WindowCounts,
): Finding[] {
  const burns = burnsOf(objective, counts);
  return (["page", "ticket"] as const).map((severity) => {
    const own = burns.filter((one) => one.severity === severity);
    const firing = own.find(({ isFiring }) => isFiring);
    const isAsked = own.every(({ short }) => (counts.get(short) ?? noRequests).requests > 0);
    const isSilent = own.every(({ long }) => (counts.get(long) ?? noRequests).requests === 0);
    // Of an endpoint, whichever version answers.
    const of = {
      kind: "objective",
      environment,
      useCaseId,
      endpoint,
      variant: "",
      model: "",
      version: "",
    } as const;
    const shown = firing ?? own[0];
    const rates = shown
      ? `${times(shown.longRate)} over ${shown.long}, ${times(shown.shortRate)} over ${shown.short}`
      : "";
    return {
      ...of,
      key: alertKey(of, `${objective.name}/${severity}`),
      condition: firing ? "firing" : isAsked || isSilent ? "recovered" : "unclear",
      summary: `${environment}/${endpoint}: the ${objective.name} budget ${firing ? words[severity] : `no longer ${words[severity]}`}: ${rates}, wanted of ${objective.target}`,
      evidence: {
        objective: objective.name,
        target: objective.target,
        severity,
        ...(shown
          ? {
              rate: shown.rate,
              long: shown.long,
              longRate: shown.longRate ?? 0,
              short: shown.short,
              shortRate: shown.shortRate ?? 0,
              requests: (counts.get(shown.long) ?? noRequests).requests,
            }
          : {}),
      },
    };
  });
}

function times(rate: number | undefined): string {
  return rate === undefined ? "no requests" : `${Number(rate.toPrecision(3))} times too fast`;
}
