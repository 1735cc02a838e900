import type { PortfolioDocument } from "@portolan/planner/contract";
import { toCents } from "@portolan/planner/policy";
import { bullets, cents, table, text } from "./markdown-parts.ts";
import { budgetWords } from "./plan-page.ts";
import { memberWords, notPooledWords, poolWords } from "./pooling-parts.ts";

/** Several plans together as Markdown, e.g. for a pull request; what a charter says is text in it. */
export function portfolioMarkdown(portfolio: PortfolioDocument): string {
  const { useCases, categories, apart, together, notPlanned, pooling, poc } = portfolio;
  return [
    `# Plan for ${useCases.length} use cases`,
    "Amounts are of a month of production, with people, shown to the cent; `--json` has them exactly.",
    table(
      ["Use case", "Low", "Expected", "High", "Ceiling", "Budget", "Blocking gaps"],
      useCases.map(({ useCase, total, ceiling, budget, blocks }) => [
        useCase,
        ...cents(total),
        ceiling,
        budgetWords[budget] ?? budget,
        String(blocks),
      ]),
    ),
    table(
      ["All of them", "Low", "Expected", "High"],
      [
        ...categories.map(({ category, cost }) => [category, ...cents(cost)]),
        ["each with its own platform", ...cents(apart.total)],
        ["not paid a second time", ...cents(together.shared)],
        ["**one platform for all**", ...cents(together.total)],
        ...(pooling
          ? [
              ["pooling of cards saves", ...cents(pooling.saving)],
              ["**and cards pooled**", ...cents(pooling.together.total)],
            ]
          : []),
        ["their proofs of concept", ...cents(poc)],
      ],
    ),
    ...poolingParts(pooling),
    ...bullets(
      "Not planned",
      notPlanned.map(({ useCase, why }) => `${useCase}: ${why}`),
    ),
    "",
  ].join("\n\n");
}

function poolingParts(pooling: PortfolioDocument["pooling"]): string[] {
  if (!pooling) return [];
  return [
    "## Cards that are shared",
    ...pooling.pools.flatMap((pool) => [
      text(poolWords(pool)),
      table(
        ["Use case", "Takes", "Own, low", "Own, expected", "Own, high", "Pooled, low", "Expected", "High"],
        [
          ...pool.useCases.map((member) => [
            member.useCase,
            memberWords(member),
            ...cents(member.dedicated),
            ...cents(member.pooled),
          ]),
          ["**all of it**", "", ...cents(pool.dedicated), ...cents(pool.pooled)],
        ],
      ),
    ]),
    `Of pools that are taken: ${toCents(pooling.dedicated.expected)} for cards of one's own become ${toCents(pooling.pooled.expected)}.`,
    ...bullets("Not pooled", notPooledWords(pooling)),
  ];
}
