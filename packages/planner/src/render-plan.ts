import { cardBatchesText, redundancyText, trainingFeedTexts } from "./capacity-json.ts";
import { assumptionOption } from "./costs/assumption-catalogue.ts";
import { wayLines } from "./costs/render-ways.ts";
import { startsText } from "./costs/starts.ts";
import { isApart, isSizeOfApart } from "./costs/workloads.ts";
import { leverLines } from "./levers/render-levers.ts";
import { architectureLines } from "./placement/architecture-json.ts";
import type { PlanDocument } from "./plan-json.ts";
import { shownMoney } from "./shown-money.ts";

/** A plan as text for a terminal, 100 columns wide at most where its words allow. Cents are rounded half to even here only. */
export function renderPlan(plan: PlanDocument): string {
  return [
    `Plan for ${plan.useCase}, prices of ${plan.pricedOn}`,
    "",
    ...placementLines(plan),
    ...architectureLines(plan.architecture, controlCost(plan)),
    "",
    ...costLines(plan),
    "",
    ...(plan.levers ? leverLines(plan.levers) : []),
    ...(plan.ways ? wayLines(plan.ways) : []),
    ...section(
      "What is missing",
      plan.gaps.map(
        (gap) =>
          `${gap.severity === "blocks_production" ? "BLOCKS" : "note  "}  ${gap.what}\n          ${gap.mend}`,
      ),
    ),
    ...section("What the figures rest on", assumptionsShown(plan).map(assumptionLine)),
    ...section(
      "Prices to look at",
      plan.warnings.map((warning) => `- ${warning}`),
    ),
  ].join("\n");
}

function placementLines(plan: PlanDocument): string[] {
  const lines = [plan.placement.training, plan.placement.inference].flatMap((choice) => [
    `${choice.workload.replaceAll("_", " ").padEnd(10)} ${choice.chosen ?? "nowhere"}: ${choice.because}`,
    ...choice.candidates
      .filter((candidate) => candidate.eliminatedBy.length > 0)
      .map(
        (candidate) =>
          `  not ${candidate.placement.padEnd(8)} ${candidate.eliminatedBy.map((reason) => reason.reason).join("; ")}`,
      ),
  ]);
  const redundancy = redundancyText(plan.redundancy);
  const starts = startsText(plan.starts);
  const cards = cardBatchesText(plan.cardBatches);
  const [fed, ...tiers] = trainingFeedTexts(plan.trainingFeed);
  return [
    ...lines,
    ...(plan.tier ? [`${"tier".padEnd(10)} ${plan.tier.tier}: ${plan.tier.reasons.join("; ")}`] : []),
    ...(plan.noReplicas === undefined ? [] : [`${"replicas".padEnd(10)} none: ${plan.noReplicas}`]),
    ...(cards === undefined ? [] : [`${"cards".padEnd(10)} ${cards}`]),
    ...(redundancy === undefined ? [] : [`${"redundancy".padEnd(10)} ${redundancy}`]),
    ...(starts === undefined ? [] : [`${"starts".padEnd(10)} ${starts}`]),
    ...(fed === undefined ? [] : [`${"feeding".padEnd(10)} ${fed}`, ...tiers.map((text) => `  ${text}`)]),
  ];
}

function controlCost({ production }: PlanDocument): string | undefined {
  const line = production?.lines.find(({ category }) => category === "compliance");
  return line && shownMoney(line.cost.expected);
}

function costLines(plan: PlanDocument): string[] {
  const { production, poc, budget } = plan;
  if (!production || !poc) return [budget.why ?? "nothing can be priced"];
  const heading = `${"a month of production".padEnd(48)}${columns("low", "expected", "high")}`;
  return [
    heading,
    ...production.lines.map(
      (line) => `${`  ${line.category}: ${line.what}`.padEnd(48)}${columns(...cents(line.cost))}`,
    ),
    `${"infrastructure".padEnd(48)}${columns(...cents(production.infrastructure))}`,
    `${"with people".padEnd(48)}${columns(...cents(production.total))}`,
    `${"proof of concept, infrastructure".padEnd(48)}${columns(...cents(poc.infrastructure))}`,
    "",
    `Production costs ${plan.timesPoc ?? "?"} times the proof of concept.`,
    `Ceiling ${budget.ceiling} a month: ${budgetWords[budget.kind]}${budget.why ? ` (${budget.why})` : ""}.`,
  ];
}

const budgetWords = {
  within: "within, also in the high case",
  at_risk: "expected costs fit, the high case does not",
  over: "expected costs are above it",
  not_comparable: "cannot be compared",
} as const;

function columns(...texts: readonly string[]): string {
  return texts.map((text) => text.padStart(16)).join("");
}

function cents(range: { low: string; expected: string; high: string }): [string, string, string] {
  return [shownMoney(range.low), shownMoney(range.expected), shownMoney(range.high)];
}

/** Nothing rests on these where no replica runs. */
const ofReplicas: ReadonlySet<string> = new Set(
  (["cpuMsPerPrediction", "redundantReplicas", "coldStartSeconds", "rampMinutes", "activeGpus"] as const).map(
    assumptionOption,
  ),
);

/** A figure that nothing in the plan rests on is left to the JSON. */
function assumptionsShown({
  assumptions,
  levers,
  ways,
  tier,
  noReplicas,
}: PlanDocument): PlanDocument["assumptions"] {
  const pulled = new Set(
    levers?.levers.filter(({ applies }) => applies).flatMap((lever) => lever.assumptions),
  );
  const stated = new Set(
    assumptions
      .filter(({ changed, key, value }) => changed || (isSizeOfApart(key) && value.high > 0))
      .map(({ group }) => group),
  );
  const isShown = (group: string | undefined): boolean => {
    if (group === "cards") return tier?.tier === "gpu" && noReplicas === undefined;
    if (group === "ways") return (ways?.purchases ?? []).length > 0;
    return isApart(group) ? stated.has(group) : group !== "levers";
  };
  const isOfReplicas = (key: string | undefined) => noReplicas !== undefined && ofReplicas.has(key ?? "");
  return assumptions.filter(
    ({ group, key, changed }) => changed || pulled.has(key ?? "") || (isShown(group) && !isOfReplicas(key)),
  );
}

function assumptionLine({
  name,
  key,
  value,
  unit,
  origin,
  note,
  was,
}: PlanDocument["assumptions"][number]): string {
  const before = was ? `CHANGED from ${figures(was)}; ` : "";
  return `- ${name}: ${figures(value)} ${unit} (${before}${origin}: ${note})${key === undefined ? "" : ` [${key}]`}`;
}

function figures({ low, expected, high }: { low: number; expected: number; high: number }): string {
  return low === high ? figure(expected) : `${figure(low)} / ${figure(expected)} / ${figure(high)}`;
}

function figure(value: number): string {
  return String(Number(value.toPrecision(4)));
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [title, ...lines.map((line) => `  ${line}`), ""];
}
