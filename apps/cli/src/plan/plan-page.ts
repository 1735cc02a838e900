import type { PlanDocument, PortfolioDocument } from "@portolan/planner/contract";
import {
  cardBatchesText,
  redundancyText,
  startsText,
  toCents,
  trainingFeedTexts,
} from "@portolan/planner/policy";
import { wide } from "../evidence-page.ts";
import { escaped } from "../markup.ts";
import { leverSection } from "./lever-page.ts";
import {
  amount,
  caseNames,
  cells,
  cellsIn,
  figure,
  heads,
  list,
  money,
  nanos,
  type Texts,
} from "./page-parts.ts";
import { poolingSection } from "./pooling-parts.ts";
import { type Bar, rangeBars } from "./range-bars.ts";
import { waySection } from "./way-page.ts";

/** A plan that a person who signs budgets can read: one file, without a script and without anything from elsewhere; each picture has its numbers in the table below it. */
export function planPage(plan: PlanDocument): string {
  const { production, poc, budget, useCase, pricedOn } = plan;
  const title = `Plan for ${useCase}`;
  const costs =
    production && poc
      ? `${verdict(plan, production.infrastructure)}
<h2>A month of production</h2>${rangeBars(byCategory(plan), "Cost by category, low to high, with the expected case marked")}${costTable(production)}
<h2>Proof of concept and production</h2>${rangeBars(
          [
            { name: "proof of concept", cost: poc.infrastructure },
            { name: "production", cost: production.infrastructure },
          ],
          "Infrastructure in a month",
        )}<p>Production costs ${escaped(plan.timesPoc ?? "?")} times the proof of concept.</p>`
      : `<p class="over">${escaped(budget.why ?? "Nothing can be priced.")}</p>`;
  return page(
    title,
    `<h1>${escaped(title)}</h1><p>Prices of ${escaped(pricedOn)}. Every figure is a range; amounts are shown to the cent, and their exact values are in the cells' titles.</p>
${costs}
${plan.levers ? leverSection(plan.levers) : ""}
${plan.ways ? waySection(plan.ways) : ""}
${placement(plan)}
${list("Replicas", plan.noReplicas === undefined ? [] : [`None: ${plan.noReplicas}.`])}
${list("Cards that answer", [cardBatchesText(plan.cardBatches) ?? []].flat())}
${list("Redundancy", [redundancyText(plan.redundancy) ?? []].flat())}
${list("Replicas that start", [startsText(plan.starts) ?? []].flat())}
${list("Keeping training fed", trainingFeedTexts(plan.trainingFeed))}
${list(
  "What is missing",
  plan.gaps.map(
    ({ severity, what, mend }) =>
      `${severity === "blocks_production" ? "Blocks production: " : ""}${what}. ${mend}`,
  ),
)}
${assumptions(plan)}
${list("Prices to look at", plan.warnings)}`,
  );
}

/** The same for several use cases together. */
export function portfolioPage(portfolio: PortfolioDocument): string {
  const { useCases, apart, together, categories, notPlanned, poc, currency } = portfolio;
  const title = `Plan for ${useCases.length} use cases`;
  const rows = useCases.map(
    ({ useCase, infrastructure, total, ceiling, budget, blocks }) =>
      `<tr><th scope="row">${escaped(useCase)}</th>${cellsIn(currency, infrastructure)}${cellsIn(currency, total)}${amount(ceiling)}<td${budget === "over" ? ' class="over"' : ""}>${escaped(budgetWords[budget] ?? budget)}</td><td class="n">${blocks}</td></tr>`,
  );
  return page(
    title,
    `<h1>${escaped(title)}</h1>
<p>With one platform for all of them they cost <strong>${money(together.total.expected)}</strong> a month (${money(together.total.low)} to ${money(together.total.high)}), people included; apart ${money(apart.total.expected)}. One platform saves ${money(together.shared.expected)}. Their proofs of concept cost ${money(poc.expected)}.</p>
${rangeBars(
  useCases.slice(0, 30).map(({ useCase, total }) => ({ name: useCase, cost: total })),
  "The dearest use cases, a month with people",
)}
${rangeBars(
  categories.map(({ category, cost }) => ({ name: category, cost })),
  "All of them by category",
)}
${wide(
  "Use cases",
  `<table><caption>A month of production, in ${escaped(currency)}</caption>
<thead><tr><th scope="col">Use case</th><th scope="colgroup" colspan="3">Infrastructure: low, expected, high</th><th scope="colgroup" colspan="3">With people: low, expected, high</th><th scope="col" class="r">Ceiling</th><th scope="col">Budget</th><th scope="col" class="r">Blocking gaps</th></tr></thead>
<tbody>${rows.join("\n")}</tbody><tfoot><tr><th scope="row">Each with its own platform</th>${cellsIn(currency, apart.infrastructure)}${cellsIn(currency, apart.total)}<td colspan="3"></td></tr><tr><th scope="row">Not paid a second time</th>${cellsIn(currency, together.shared)}${cellsIn(currency, together.shared)}<td colspan="3"></td></tr><tr><th scope="row">One platform for all</th>${cellsIn(currency, together.infrastructure)}${cellsIn(currency, together.total)}<td colspan="3"></td></tr></tfoot></table>`,
)}
${poolingSection(portfolio.pooling)}
${list(
  "Not planned",
  notPlanned.map(({ useCase, why }) => `${useCase}: ${why}`),
)}`,
  );
}

export const budgetWords: Readonly<Record<string, string>> = {
  within: "within, also in the high case",
  at_risk: "expected costs fit, the high case does not",
  over: "expected costs are above it",
  not_comparable: "cannot be compared",
};

function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escaped(title)}</title>
<style>body{font:15px/1.5 system-ui,sans-serif;margin:1.5rem;color:#0f172a;background:#fff}main{max-width:76rem;margin:auto}.wide{overflow-x:auto}svg.bars{max-width:52rem}.picture{font-weight:600;margin:.8rem 0 .3rem}
@media (max-width:40rem){body{margin:1rem}.wide td:not(.n):not(:empty){min-width:15rem}.wide th[scope=row]{min-width:7.5rem;max-width:9rem;position:sticky;left:0;background:#fff;overflow-wrap:anywhere}}
table{border-collapse:collapse;margin:.8rem 0}caption{text-align:left;font-weight:600;padding:.3rem 0}th,td{text-align:left;padding:.3rem .9rem .3rem 0;border-bottom:1px solid #cbd5e1;vertical-align:top}
.r,.n{text-align:right}.n{font-variant-numeric:tabular-nums;white-space:nowrap}tfoot td,tfoot th{font-weight:700}.over{color:#9f1239;font-weight:700}svg{display:block}</style></head>
<body><main>${body}
</main></body></html>
`;
}

function verdict({ budget }: PlanDocument, infrastructure: Texts): string {
  const words = budgetWords[budget.kind] ?? budget.kind;
  return `<p${budget.kind === "over" ? ' class="over"' : ""}>Infrastructure costs <strong>${money(infrastructure.expected)}</strong> a month (${money(infrastructure.low)} to ${money(infrastructure.high)}). The ceiling is ${money(budget.ceiling)}: ${escaped(words)}${budget.why === undefined ? "" : ` (${escaped(budget.why)})`}.</p>`;
}

function byCategory({ production }: PlanDocument): readonly Bar[] {
  const found = new Map<string, { low: bigint; expected: bigint; high: bigint }>();
  const currency = production?.total.expected.split(" ")[1] ?? "";
  for (const { category, cost } of production?.lines ?? []) {
    const sum = found.get(category) ?? { low: 0n, expected: 0n, high: 0n };
    sum.low += nanos(cost.low);
    sum.expected += nanos(cost.expected);
    sum.high += nanos(cost.high);
    found.set(category, sum);
  }
  const text = (amount: bigint): string =>
    `${amount / 1_000_000_000n}.${(amount % 1_000_000_000n).toString().padStart(9, "0")} ${currency}`;
  return [...found].map(([name, { low, expected, high }]) => ({
    name,
    cost: { low: text(low), expected: text(expected), high: text(high) },
  }));
}

function costTable({ lines, infrastructure, total }: NonNullable<PlanDocument["production"]>): string {
  const rows = lines.map(
    ({ category, what, unit, quantity, priceRecords, cost }) =>
      `<tr><th scope="row">${escaped(`${category}: ${what}`)}</th><td class="n">${figure(quantity.expected)} ${escaped(unit)}</td>${cells(cost)}<td>${escaped(priceRecords.join(", "))}</td></tr>`,
  );
  const sums = [
    ["Infrastructure", infrastructure],
    ["With people", total],
  ] as const;
  return wide(
    "Costs",
    `<table><caption>Lines of the plan</caption>${heads(["What", "How much", ...caseNames, "Prices"], ["How much", ...caseNames])}<tbody>${rows.join("\n")}</tbody><tfoot>${sums.map(([name, cost]) => `<tr><th scope="row">${name}</th><td></td>${cells(cost)}<td></td></tr>`).join("")}</tfoot></table>`,
  );
}

function placement({ architecture, placement: { training, inference } }: PlanDocument): string {
  const works = architecture
    ? architecture.workloads
        .filter(({ asked }) => asked)
        .map(({ workload, chosen, because, tier, eliminated }) => ({
          workload,
          chosen,
          because: `${because}; ${tier}`,
          without: eliminated.map((one) => `${one.placement}: ${one.reason}`),
        }))
    : [training, inference].map(({ workload, chosen, because, candidates }) => ({
        workload,
        chosen,
        because,
        without: candidates.flatMap((one) =>
          one.eliminatedBy.map(({ reason }) => `${one.placement}: ${reason}`),
        ),
      }));
  const rows = works.map(
    ({ workload, chosen, because, without }) =>
      `<tr><th scope="row">${escaped(workload)}</th><td>${escaped(chosen ?? "nowhere")}</td><td>${escaped(because)}</td><td>${without.map(escaped).join("<br>")}</td></tr>`,
  );
  return `<h2>Where it runs${architecture ? `: ${escaped(architecture.style.replaceAll("_", " "))}` : ""}</h2>${wide("Places", `<table><thead><tr><th scope="col">Work</th><th scope="col">Place</th><th scope="col">Why</th><th scope="col">What was excluded</th></tr></thead><tbody>${rows.join("\n")}</tbody></table>`)}${list("What is accepted with it", architecture?.tradeOffs ?? [])}${list(
    "Exposure to fines",
    (architecture?.exposure ?? []).map(
      ({ regulation, amount: fine, reckoning }) =>
        `${regulation}: ${fine === undefined ? "" : `${toCents(fine)}, `}${reckoning}`,
    ),
  )}`;
}

function assumptions({ assumptions: all }: PlanDocument): string {
  const rows = all.map(
    ({ name, key, unit, value, origin, note, changed }) =>
      `<tr${changed ? ' class="changed"' : ""}><th scope="row">${escaped(name)}${key === undefined ? "" : `<br><code>${escaped(key)}</code>`}</th><td class="n">${figure(value.low)}</td><td class="n">${figure(value.expected)}</td><td class="n">${figure(value.high)}</td><td>${escaped(unit)}</td><td>${changed ? "<strong>changed</strong>, " : ""}${escaped(`${origin}: ${note}`)}</td></tr>`,
  );
  return `<h2>What the figures rest on</h2>${wide("Assumptions", `<table>${heads(["Figure", ...caseNames, "Unit", "From"], caseNames)}<tbody>${rows.join("\n")}</tbody></table>`)}`;
}
