import { compareMoney, digestJson } from "@portolan/kernel";
import type { Cost } from "@portolan/planner/contract";
import type { AdviceKind, Recommendation } from "./contract.ts";
import { idleCards } from "./rules/card-rules.ts";
import { duplicateData, offPeakWindow, oversizedLog, unboundedRetention } from "./rules/data-rules.ts";
import { dormantEndpoint, gpuFitsCpu, oversizedWorkers, unquantisedModel } from "./rules/endpoint-rules.ts";
import type { Finding, Question } from "./rules/rule.ts";
import { costTexts } from "./savings.ts";

const rules = [
  dormantEndpoint,
  oversizedWorkers,
  gpuFitsCpu,
  unquantisedModel,
  offPeakWindow,
  duplicateData,
  unboundedRetention,
  oversizedLog,
  idleCards,
];

/** A recommendation with its figures as money. */
export interface Advised {
  readonly recommendation: Recommendation;
  readonly costsNow: Cost | undefined;
  readonly saves: Cost | undefined;
}

export interface Judgement {
  /** The greatest saving first; then those without one, in the order of their ids. */
  readonly advice: readonly Advised[];
  /** What each thing that was looked at costs in a month as it is, by the id that advice about it has. */
  readonly costs: ReadonlyMap<string, Cost | undefined>;
  /** Ids of advice whose cause goes by itself from here on, and is not gone yet. */
  readonly underWay: ReadonlySet<string>;
}

/** What could cost less. Pure. */
export function judge(question: Question): Judgement {
  const costs = new Map<string, Cost | undefined>();
  const advice: Advised[] = [];
  const underWay = new Set<string>();
  for (const rule of rules) {
    for (const { subject, cost, finding, isUnderWay } of rule.judge(question)) {
      const id = adviceId(rule.kind, subject);
      costs.set(id, cost);
      if (isUnderWay) underWay.add(id);
      if (finding)
        advice.push({
          recommendation: toRecommendation({ id, kind: rule.kind, subject, cost, finding }),
          costsNow: cost,
          saves: finding.saves,
        });
    }
  }
  return { advice: advice.toSorted(bySaving), costs, underWay };
}

/** The same for the same kind of advice about the same thing. */
export function adviceId(
  kind: AdviceKind,
  { name, environment, useCaseId }: Recommendation["subject"],
): string {
  return `adv_${digestJson({ kind, name, environment, useCaseId: useCaseId ?? null }).slice("sha256:".length, "sha256:".length + 24)}`;
}

function toRecommendation(of: {
  readonly id: string;
  readonly kind: AdviceKind;
  readonly subject: Recommendation["subject"];
  readonly cost: Cost | undefined;
  readonly finding: Finding;
}): Recommendation {
  const { what, evidence, saves, noSaving, command, changes } = of.finding;
  return {
    id: of.id,
    kind: of.kind,
    subject: of.subject,
    what,
    evidence: [...evidence],
    ...(of.cost ? { costsNow: costTexts(of.cost) } : {}),
    ...(saves ? { saves: costTexts(saves) } : {}),
    ...(noSaving === undefined ? {} : { noSaving }),
    command,
    changes,
  };
}

function bySaving(a: Advised, b: Advised): number {
  if (a.saves && b.saves && a.saves.expected.currency === b.saves.expected.currency) {
    const order = compareMoney(b.saves.expected, a.saves.expected);
    if (order !== 0) return order;
  }
  if ((a.saves === undefined) !== (b.saves === undefined)) return a.saves ? -1 : 1;
  return a.recommendation.id < b.recommendation.id ? -1 : 1;
}
