import { asEpochMicros, formatInstant } from "@portolan/kernel";
import { amountsOf, teamNode } from "../admission/round.ts";
import type { IdleState, Workload } from "../admission/workload.ts";
import { amountText, gpuPrefix, modelOf } from "../quota/amounts.ts";
import type { QuotaTree } from "../quota/tree.ts";
import type { Held, IdleUse } from "./judge-idle.ts";

/** Processors and cards that work holds of its team's quota. Pure. */
export function heldOf(tree: QuotaTree, work: Pick<Workload, "team" | "asked" | "assumed">): Held {
  const node = teamNode(tree, work.team);
  const amounts = node && amountsOf(tree, node, work);
  if (!amounts || "missing" in amounts) return { cores: 0, cards: 0 };
  let [cores, cards] = [0, 0];
  for (const [r, resource] of tree.resources.entries()) {
    const amount = amounts[r] ?? 0;
    if (resource === "cpu") cores = amount / 1000;
    if (resource.startsWith(gpuPrefix)) cards += amount / (modelOf(resource)?.memorySlices ?? 1);
  }
  return { cores, cards };
}

/** Each resource that it holds, in words; undefined where the tree does not know it. Pure. */
export function heldTexts(
  tree: QuotaTree,
  work: Pick<Workload, "team" | "asked" | "assumed">,
): string[] | undefined {
  const node = teamNode(tree, work.team);
  const amounts = node && amountsOf(tree, node, work);
  if (!amounts || "missing" in amounts) return undefined;
  return tree.resources.flatMap((resource, r) => {
    const amount = amounts[r] ?? 0;
    return amount === 0 ? [] : [amountText(resource, amount)];
  });
}

/** `0.4 % of 2 CPU and 0 % of 1 card`. Pure. */
export function useText({ cpu, cards }: IdleUse, held: Held): string {
  const part = (share: number | undefined, of: string): string[] =>
    share === undefined ? [] : [`${Number((100 * share).toFixed(1))} % of ${of}`];
  return [
    ...part(cpu, `${held.cores} CPU`),
    ...part(cards, `${Number(held.cards.toFixed(3))} ${held.cards === 1 ? "card" : "cards"}`),
  ].join(" and ");
}

/** Why it was stopped. Pure. */
export function idleReason({ use, held, since }: NonNullable<IdleState["stopped"]>): string {
  return `it used ${useText(use, held)} since ${instantOf(since)}`;
}

export function instantOf(micros: number): string {
  return formatInstant(asEpochMicros(Math.round(micros)));
}
