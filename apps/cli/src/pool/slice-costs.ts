import { migModels, type Packing } from "@portolan/capacity";
import { allocate, type Money, multiplyMoney } from "@portolan/kernel";
import type { Cost } from "@portolan/planner/contract";
import { textsOf } from "../ownership/card-prices.ts";

/** Instances of one profile on all cards, an hour. */
interface ProfileCost {
  readonly profile: string;
  readonly count: number;
  /** Compute slices of an instance, and of its card: the part of the card that a statement bills. */
  readonly part: readonly [number, number];
  readonly each: Cost;
  readonly together: Cost;
}

/** What a packing costs an hour, to the last billionth: profiles and what is left come to the cards. */
export interface SliceCosts {
  readonly card: Cost;
  readonly cards: Cost;
  readonly profiles: readonly ProfileCost[];
  /** Compute slices that no instance has: paid for all the same. */
  readonly left: Cost;
}

type Case = keyof Cost;
const cases: readonly Case[] = ["low", "expected", "high"];

function eachCase(of: (which: Case) => Money): Cost {
  return { low: of("low"), expected: of("expected"), high: of("high") };
}

/** Names under which a price book may have a card: that without its memory too, where it says enough. */
export function productsOf(model: string): readonly string[] {
  const [base = model] = model.split("-");
  return migModels.filter(({ name }) => name.split("-")[0] === base).length === 1 ? [model, base] : [model];
}

/** @param card of one card, an hour */
export function sliceCosts({ model, cards, left }: Packing, card: Cost): SliceCosts {
  const found = model.profiles.flatMap((profile) => {
    const count = cards.flat().filter((instance) => instance.profile.name === profile.name).length;
    return count === 0 ? [] : [{ profile, count }];
  });
  const weights = [...found.map(({ profile, count }) => profile.computeSlices * count), left.compute];
  const all = eachCase((which) => multiplyMoney(card[which], BigInt(cards.length)));
  const parts = new Map(cases.map((which) => [which, allocate(all[which], weights.map(BigInt))]));
  const partAt = (at: number): Cost =>
    eachCase((which) => parts.get(which)?.[at] ?? multiplyMoney(card[which], 0n));
  return {
    card,
    cards: all,
    profiles: found.map(({ profile, count }, at) => ({
      profile: profile.name,
      count,
      part: [profile.computeSlices, model.computeSlices],
      each: eachCase((which) =>
        multiplyMoney(card[which], BigInt(profile.computeSlices), BigInt(model.computeSlices)),
      ),
      together: partAt(at),
    })),
    left: partAt(found.length),
  };
}

/** Exact amounts as text, for JSON. */
export function sliceCostsJson(costs: SliceCosts): object {
  return {
    per: "hour",
    currency: costs.card.expected.currency,
    card: textsOf(costs.card),
    cards: textsOf(costs.cards),
    profiles: costs.profiles.map(({ each, together, ...rest }) => ({
      ...rest,
      each: textsOf(each),
      together: textsOf(together),
    })),
    left: textsOf(costs.left),
  };
}

export function sliceCostsText({ cards, card, profiles, left }: SliceCosts): string {
  const rows = profiles.map(
    ({ profile, count, part: [slices, of], each, together }) =>
      `  ${`${count} x ${profile}`.padEnd(16)} ${rangeText(together)}; each ${rangeText(each)}, ${slices}/${of} of a card`,
  );
  return [
    `An hour of the cards: ${rangeText(cards)}; of one ${rangeText(card)} (low, expected, high)`,
    ...rows,
    `  ${"nobody's".padEnd(16)} ${rangeText(left)}`,
  ].join("\n");
}

function rangeText(cost: Cost): string {
  const amounts = cases.map((which) => fourDecimals(cost[which]));
  const shown = new Set(amounts).size === 1 ? amounts.slice(0, 1) : amounts;
  return `${shown.join("..")} ${cost.expected.currency}`;
}

/** Half up: a slice costs little an hour. */
function fourDecimals({ nanos }: Money): string {
  const tenThousandths = (nanos + 50_000n) / 100_000n;
  return `${tenThousandths / 10_000n}.${(tenThousandths % 10_000n).toString().padStart(4, "0")}`;
}
