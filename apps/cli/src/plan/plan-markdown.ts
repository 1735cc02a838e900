import type { PlanDocument } from "@portolan/planner/contract";
import {
  cardBatchesText,
  purchaseLines,
  redundancyText,
  spotLine,
  startsText,
  toCents,
  trainingFeedTexts,
} from "@portolan/planner/policy";
import { bullets, cents, table, text } from "./markdown-parts.ts";
import { figure } from "./page-parts.ts";
import { budgetWords } from "./plan-page.ts";

/** A plan as Markdown, e.g. for a pull request: tables of GitHub's dialect; what a charter says is text in it. */
export function planMarkdown(plan: PlanDocument): string {
  const { useCase, pricedOn, production, poc, budget, levers, ways } = plan;
  return [
    `# Plan for ${text(useCase)}`,
    `Prices of ${text(pricedOn)}. Amounts are of a month, shown to the cent; \`--json\` has them exactly.`,
    ...(production && poc
      ? [
          `Infrastructure costs **${toCents(production.infrastructure.expected)}** (${toCents(production.infrastructure.low)} to ${toCents(production.infrastructure.high)}); the ceiling is ${text(budget.ceiling)}: ${text(budgetWords[budget.kind] ?? budget.kind)}${budget.why === undefined ? "" : ` (${text(budget.why)})`}. Production costs ${text(plan.timesPoc ?? "?")} times the proof of concept.`,
          "## A month of production",
          table(
            ["What", "How much", "Low", "Expected", "High", "Prices"],
            [
              ...production.lines.map(({ category, what, unit, quantity, cost, priceRecords }) => [
                `${category}: ${what}`,
                `${figure(quantity.expected)} ${unit}`,
                ...cents(cost),
                priceRecords.join(", "),
              ]),
              ["**infrastructure**", "", ...cents(production.infrastructure), ""],
              ["**with people**", "", ...cents(production.total), ""],
              ["proof of concept, infrastructure", "", ...cents(poc.infrastructure), ""],
            ],
          ),
        ]
      : [text(budget.why ?? "Nothing can be priced.")]),
    ...(levers ? leverParts(levers) : []),
    ...(ways ? wayParts(ways) : []),
    ...bullets("Where it runs", placementTexts(plan)),
    ...bullets("How many", capacityTexts(plan)),
    ...bullets(
      "What is missing",
      plan.gaps.map(
        ({ severity, what, mend }) =>
          `${severity === "blocks_production" ? "Blocks production: " : ""}${what}. ${mend}`,
      ),
    ),
    "## What the figures rest on",
    table(
      ["Figure", "Name", "Low", "Expected", "High", "Unit", "From"],
      plan.assumptions.map(({ name, key = "", value, unit, origin, note, changed }) => [
        name,
        key,
        figure(value.low),
        figure(value.expected),
        figure(value.high),
        unit,
        `${changed ? "changed, " : ""}${origin}: ${note}`,
      ]),
    ),
    ...bullets("Prices to look at", plan.warnings),
    "",
  ].join("\n\n");
}

/** Each kind of work that is asked for, with what excluded the other places. */
function placementTexts({ architecture, placement: { training, inference } }: PlanDocument): string[] {
  if (!architecture)
    return [training, inference].map(
      ({ workload, chosen, because }) => `${workload}: ${chosen ?? "nowhere"}, ${because}`,
    );
  return [
    `architecture: ${architecture.style}`,
    ...architecture.workloads
      .filter(({ asked }) => asked)
      .map(({ workload, chosen, because, tier, eliminated }) =>
        [
          `${workload}: ${chosen ?? "nowhere"} (${tier}), ${because}`,
          ...eliminated.map(({ placement, reason }) => `not ${placement}: ${reason}`),
        ].join("; "),
      ),
    ...architecture.tradeOffs.map((accepted) => `accepted: ${accepted}`),
  ];
}

function capacityTexts({
  noReplicas,
  cardBatches,
  redundancy,
  starts,
  trainingFeed,
}: PlanDocument): string[] {
  return [
    noReplicas === undefined ? [] : `no replicas: ${noReplicas}`,
    cardBatchesText(cardBatches) ?? [],
    redundancyText(redundancy) ?? [],
    startsText(starts) ?? [],
    trainingFeedTexts(trainingFeed),
  ].flat();
}

function leverParts({ levers, together }: NonNullable<PlanDocument["levers"]>): string[] {
  return [
    "## What could be saved",
    table(
      ["Lever for itself", "Least", "Expected", "Most", "How, or why not", "Assumes"],
      levers.map(({ title, saving, why, assumptions }) => [
        title,
        ...(saving ? cents(saving) : ["does not apply", "", ""]),
        why,
        assumptions.join(", "),
      ]),
    ),
    ...(together.steps.length === 0
      ? []
      : [
          table(
            ["One after the other", "Low", "Expected", "High"],
            [
              ["as planned", ...cents(together.before)],
              ...together.steps.map(({ title, saving }) => [`less ${title}`, ...cents(saving)]),
              ["**with them**", ...cents(together.after)],
            ],
          ),
        ]),
  ];
}

function wayParts({ ways, least, purchases, spot }: NonNullable<PlanDocument["ways"]>): string[] {
  return [
    "## Ways to pay",
    table(
      ["Infrastructure in a month", "Low", "Expected", "High", "At once", "How"],
      ways.map(({ name, title, planned, infrastructure, upfront, why, excludedBy }) => [
        `${title}${planned ? ", as planned" : ""}${name === least ? ", least" : ""}`,
        ...(infrastructure ? cents(infrastructure) : ["no price", "", ""]),
        upfront ? toCents(upfront.expected) : "",
        `${why}${excludedBy.length === 0 ? "" : `; the charter excludes it: ${excludedBy.join("; ")}`}`,
      ]),
    ),
    ...[...purchaseLines(purchases), ...(spot ? [spotLine(spot)] : [])].map(text),
  ];
}
