import type { PortfolioDocument } from "@portolan/planner/contract";
import { toCents } from "@portolan/planner/policy";
import { budgetWords } from "./plan-page.ts";
import { memberWords, notPooledWords, poolWords } from "./pooling-parts.ts";

/** For a terminal; the dearest use case first. */
export function portfolioText(portfolio: PortfolioDocument): string {
  const { useCases, notPlanned, apart, together, categories, poc, pooling } = portfolio;
  const row = (name: string, { low, expected, high }: { low: string; expected: string; high: string }) =>
    name.padEnd(34) + [low, expected, high].map((one) => toCents(one).padStart(18)).join("");
  const heading = `${"a month of production".padEnd(34)}${["low", "expected", "high"].map((one) => one.padStart(18)).join("")}`;
  return [
    heading,
    ...useCases.map(({ useCase, total }) => row(`  ${useCase}`, total)),
    "",
    ...categories.map(({ category, cost }) => row(`  ${category}`, cost)),
    "",
    row("each with its own platform", apart.total),
    row("one platform for all", together.total),
    row("  infrastructure of that", together.infrastructure),
    row("  not paid a second time", together.shared),
    ...(pooling
      ? [row("  pooling of cards saves", pooling.saving), row("and cards pooled", pooling.together.total)]
      : []),
    row("their proofs of concept", poc),
    "",
    ...(pooling ? poolLines(pooling, row) : []),
    ...useCases
      .filter(({ budget, blocks }) => budget !== "within" || blocks > 0)
      .map(
        ({ useCase, ceiling, budget, blocks }) =>
          `${useCase}: ceiling ${ceiling} a month, ${budgetWords[budget] ?? budget}${blocks > 0 ? `; ${blocks} gaps block production` : ""}`,
      ),
    ...notPlanned.map(({ useCase, why }) => `${useCase}: not planned, ${why}`),
  ].join("\n");
}

function poolLines(
  pooling: NonNullable<PortfolioDocument["pooling"]>,
  row: (name: string, cost: { low: string; expected: string; high: string }) => string,
): string[] {
  return [
    ...pooling.pools.flatMap((pool) => [
      `pool ${poolWords(pool)}`,
      ...pool.useCases.flatMap((member) => [
        `  ${member.useCase}, ${memberWords(member)}`,
        row("    cards of its own", member.dedicated),
        row("    its part of the pool", member.pooled),
      ]),
      row("  all for themselves", pool.dedicated),
      row("  pooled", pool.pooled),
    ]),
    ...notPooledWords(pooling),
    "",
  ];
}
