import { addMoney, type Money, multiplyMoney, zeroMoney } from "@portolan/kernel";
import { countedAs } from "../usage/resources.ts";

/** What a unit of each resource costs, as bills have units; what is not in it has no price. */
export interface UsagePrices {
  readonly currency: string;
  readonly perUnit: ReadonlyMap<string, Money>;
}

/** Price times quantity, rounded once for each resource; and what has no price. Pure. */
export function costOf(
  usage: readonly { readonly resource: string; readonly quantity: bigint }[],
  { currency, perUnit }: UsagePrices,
): { readonly cost: Money; readonly unpriced: readonly string[] } {
  const sums = new Map<string, bigint>();
  for (const { resource, quantity } of usage) sums.set(resource, (sums.get(resource) ?? 0n) + quantity);
  let cost = zeroMoney(currency);
  const unpriced: string[] = [];
  for (const [resource, quantity] of [...sums].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const price = perUnit.get(resource);
    if (price) cost = addMoney(cost, multiplyMoney(price, quantity, countedAs(resource).perUnit));
    else unpriced.push(resource);
  }
  return { cost, unpriced };
}
