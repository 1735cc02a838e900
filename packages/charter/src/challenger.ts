import { type Static, Type } from "@portolan/typebox";
import { type ComparedMetric, comparedMetrics, isCompared, isOfUnit } from "./compared-metrics.ts";
import type { CharterDocument } from "./document.ts";
import { type Fact, fact } from "./fact.ts";
import { evaluatedMetrics } from "./measured-metrics.ts";
import type { Finding } from "./schema-findings.ts";
import { closed, OneOf } from "./schema-parts.ts";

export const Challenger = Type.Object(
  {
    metrics: Type.Array(OneOf(comparedMetrics, "A metric."), {
      minItems: 1,
      uniqueItems: true,
      description:
        "A version replaces the one in production only when it is better in each of these, on the same rows, beyond chance.",
    }),
    margins: Type.Optional(
      Type.Record(
        Type.String({ pattern: `^(${comparedMetrics.join("|")})$` }),
        Type.Number({ exclusiveMinimum: 0 }),
        {
          description: "Metrics in which it need only not be worse by more than this, in the metric's unit.",
        },
      ),
    ),
  },
  { ...closed, description: "What a version must show beside the one that it replaces in production." },
);

export interface ChallengerTerms {
  readonly metrics: readonly ComparedMetric[];
  /** Largest loss that still counts as none, by metric. */
  readonly margins: Readonly<Partial<Record<ComparedMetric, number>>>;
}

/** What the charter says of challengers; from v2 on, where it is silent, strictly better in the metric that it declares. Nothing where that is compared of no two versions. */
export function challengerTerms(document: CharterDocument): ChallengerTerms | undefined {
  const { requirements, model } = document;
  const { challenger, accuracy } = requirements;
  if (challenger) return { metrics: challenger.metrics, margins: challenger.margins ?? {} };
  const { metric } = accuracy;
  if (!hasDefaultChallenger(document) || !isCompared(metric)) return undefined;
  return evaluatedMetrics[model.task].includes(metric) ? { metrics: [metric], margins: {} } : undefined;
}

/** Whether the charter's format asks of a version to be better than the one in production, and nothing in it says in what. Pure. */
export function hasDefaultChallenger({ apiVersion, requirements }: CharterDocument): boolean {
  return apiVersion !== "portolan/v1" && !requirements.challenger;
}

/** The gate beside the version in production, for people. Pure. */
export function challengerFacts(document: CharterDocument, terms: ChallengerTerms | undefined): Fact[] {
  const isDefault = hasDefaultChallenger(document);
  if (!terms && !isDefault) return [];
  const { metric } = document.requirements.accuracy;
  const said = terms ? challengerStatement(terms) : `better in ${metric}`;
  return [
    fact(
      "challenger_gate",
      "gate",
      isDefault ? ["/apiVersion", "/requirements/accuracy/metric"] : "/requirements/challenger",
      `A version replaces the one in production only when it is ${said}.`,
      { metrics: terms?.metrics ?? [metric], margins: { ...terms?.margins } },
    ),
  ];
}

function challengerStatement({ metrics: names, margins }: ChallengerTerms): string {
  const better = names.filter((name) => margins[name] === undefined);
  const notWorse = names.flatMap((name) => {
    const margin = margins[name];
    return margin === undefined ? [] : [`not worse by more than ${margin} in ${name}`];
  });
  return [...(better.length > 0 ? [`better in ${better.join(", ")}`] : []), ...notWorse].join(" and ");
}

/** What the schema cannot say of challengers. Pure. */
export function challengerFindings({ requirements: { challenger }, model }: CharterDocument): Finding[] {
  return [...unmeasuredFindings(challenger, model.task), ...marginFindings(challenger)];
}

function unmeasuredFindings(
  challenger: Static<typeof Challenger> | undefined,
  task: CharterDocument["model"]["task"],
): Finding[] {
  const measured = evaluatedMetrics[task].filter(isCompared);
  if (measured.length === 0) return [];
  return (challenger?.metrics ?? []).flatMap((metric, at) =>
    measured.includes(metric)
      ? []
      : [
          {
            pointer: `/requirements/challenger/metrics/${at}`,
            detail: `no evaluation measures ${metric} of ${task}`,
            mend: `Name some of ${measured.join(", ")}.`,
          },
        ],
  );
}

function marginFindings(challenger: Static<typeof Challenger> | undefined): Finding[] {
  const stated = Object.entries(challenger?.margins ?? {});
  const tooWide = stated
    .filter(([name, margin]) => isCompared(name) && isOfUnit(name) && margin >= 1)
    .map(([name]) => ({
      pointer: `/requirements/challenger/margins/${name}`,
      detail: `${name} lies between 0 and 1, so this margin allows everything`,
      mend: "Write a margin below 1.",
    }));
  return [...tooWide, ...unnamedMargins(challenger)];
}

function unnamedMargins(challenger: Static<typeof Challenger> | undefined): Finding[] {
  return Object.keys(challenger?.margins ?? {})
    .filter((name) => !challenger?.metrics.some((metric) => metric === name))
    .map((name) => ({
      pointer: `/requirements/challenger/margins/${name}`,
      detail: `${name} has a margin and is no metric of the comparison`,
      mend: "Add it to metrics, or remove the margin.",
    }));
}
