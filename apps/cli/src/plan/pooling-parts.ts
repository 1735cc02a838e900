import type { PortfolioDocument } from "@portolan/planner/contract";
import { escaped } from "../markup.ts";
import { cells, figure, list } from "./page-parts.ts";

type Pooling = NonNullable<PortfolioDocument["pooling"]>;
type Pool = Pooling["pools"][number];

/** Where a pool is, how many cards it has, and whether it is worth it: the words of all forms. */
export function poolWords({ placement, regions, cards, isFewest, isTaken }: Pool): string {
  const { low, expected, high } = cards;
  const spread = low === high ? "" : ` (${figure(low)} to ${figure(high)})`;
  const where = regions.length === 0 ? "" : ` in ${regions.join(", ")}`;
  return `${placement}${where}: ${figure(expected)} cards${spread}${isFewest ? "" : ", perhaps fewer"}${isTaken ? "" : "; it saves nothing and is not taken"}`;
}

/** What a use case has of a pool. */
export function memberWords({ replicas, slice }: Pool["useCases"][number]): string {
  return `${figure(replicas.expected)} x ${slice ?? "a whole card"}`;
}

export function notPooledWords({ notPooled }: Pooling): string[] {
  return notPooled.map(({ useCase, why }) => `${useCase}: cards of its own, ${why}`);
}

/** Cards for themselves and pooled, as a table of a page. */
export function poolingSection(pooling: PortfolioDocument["pooling"]): string {
  if (!pooling) return "";
  const rows = pooling.pools.flatMap((pool) => [
    `<tr><th scope="rowgroup" colspan="7">${escaped(poolWords(pool))}</th></tr>`,
    ...pool.useCases.map(
      (member) =>
        `<tr><th scope="row">${escaped(`${member.useCase}, ${memberWords(member)}`)}</th>${cells(member.dedicated)}${cells(member.pooled)}</tr>`,
    ),
    `<tr><th scope="row">all of it</th>${cells(pool.dedicated)}${cells(pool.pooled)}</tr>`,
  ]);
  const { dedicated, pooled, saving, together } = pooling;
  return `<h2>Cards that are shared</h2>
<p>Slices of cards (MIG) on as few cards as the peaks of all need at once, no two replicas of a use case on one; parts sum to the pool exactly.</p>
<div class="wide" tabindex="0" role="region" aria-label="Pooled cards"><table><caption>A month of cards that answer</caption>
<thead><tr><th scope="col">Use case</th><th scope="colgroup" colspan="3">Cards of its own: low, expected, high</th><th scope="colgroup" colspan="3">Pooled: low, expected, high</th></tr></thead>
<tbody>${rows.join("\n")}</tbody><tfoot><tr><th scope="row">Pools that are taken</th>${cells(dedicated)}${cells(pooled)}</tr><tr><th scope="row">Pooling saves</th><td colspan="3"></td>${cells(saving)}</tr><tr><th scope="row">One platform and pooled cards: infrastructure, with people</th>${cells(together.infrastructure)}${cells(together.total)}</tr></tfoot></table></div>
${list("Not pooled", notPooledWords(pooling))}`;
}
