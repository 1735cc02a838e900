import { shownMoney } from "../shown-money.ts";
import type { PlanComparison, SumChange } from "./compare-plans.ts";

/** What changed between two plans, for a terminal; expected case, with the range of each change in the JSON. */
export function renderComparison(comparison: PlanComparison): string {
  const { before, after, infrastructure, total, lines, assumptions, decisions, gaps } = comparison;
  const changed = lines.filter(({ kind }) => kind !== "same");
  const row = (name: string, sums: SumChange) =>
    `${name.padEnd(48)}${[sums.before, sums.after, sums.change].map(({ expected }) => shownMoney(expected).padStart(16)).join("")}`;
  return [
    `From the plan for ${before} to the plan for ${after}`,
    "",
    `${"a month of production, expected".padEnd(48)}${["before", "after", "change"].map((word) => word.padStart(16)).join("")}`,
    ...changed.flatMap((line) => [
      row(`  ${line.category}: ${line.what}`, line),
      ...(line.byQuantity && line.byPrice
        ? [
            `      quantity ${shownMoney(line.byQuantity.expected)}, price ${shownMoney(line.byPrice.expected)}`,
          ]
        : []),
      ...line.why.map((reason) => `      ${reason}`),
    ]),
    row("infrastructure", infrastructure),
    row("with people", total),
    `${lines.length - changed.length} of ${lines.length} lines are the same.`,
    "",
    ...section("Decisions", decisions),
    ...section("Assumptions", assumptions),
    ...section("Gaps that are closed", gaps.closed),
    ...section("Gaps that are new", gaps.opened),
  ].join("\n");
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [title, ...lines.map((line) => `  - ${line}`), ""];
}
