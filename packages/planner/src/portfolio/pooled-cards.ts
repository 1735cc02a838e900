import { packInstances } from "@portolan/capacity/policy";
import { allocate, compareMoney, type Money, multiplyMoney } from "@portolan/kernel";
import { hoursPerMonth } from "../assumptions.ts";
import type { CardsDocument } from "../costs/cards-needed.ts";
import { gpuModels } from "../costs/cost-line.ts";
import { cutCardModel } from "../costs/machines.ts";
import { costOfTexts } from "../money-texts.ts";
import type { PlanDocument } from "../plan-json.ts";
import { type Cost, mapRange, noCost, type Quantity, type Range, sumCosts } from "../range.ts";
import { lessCost } from "./less-cost.ts";

/** A use case whose cards may be shared. */
export interface PoolMember {
  readonly useCase: string;
  readonly cards: CardsDocument;
  /** A month of the cards that its plan has for it alone. */
  readonly dedicated: Cost;
}

export interface CardPool {
  readonly placement: string;
  readonly regions: readonly string[];
  readonly cards: Quantity;
  /** Whether no packing of each layer takes fewer: the first replica of each, the second of each, and so on. */
  readonly isFewest: boolean;
  readonly cardHour: Cost;
  readonly records: readonly string[];
  readonly dedicated: Cost;
  readonly pooled: Cost;
  /** Case by case; below zero where the pool costs more. */
  readonly saving: Cost;
  /** Whether it saves in the expected case: else it is shown and not taken. */
  readonly isTaken: boolean;
  readonly members: readonly (PoolMember & { readonly pooled: Cost })[];
}

export interface PooledCards {
  readonly pools: readonly CardPool[];
  readonly notPooled: readonly { readonly useCase: string; readonly why: string }[];
  /** Of the pools that are taken, exactly. */
  readonly dedicated: Cost;
  readonly pooled: Cost;
  readonly saving: Cost;
}

/**
 * What the cards of all use cases that answer on some cost when slices of them (MIG) stand on as few cards as their peaks need, all at once. No two replicas
 * of a use case share a card, so that one that fails takes one of each. Who shares has the same placement, regions and prices, and no compliance that pays
 * for machines of its own. Pure, and absent where nothing answers on cards; the order of the plans plays no part.
 */
export function poolCards(plans: readonly PlanDocument[], currency: string): PooledCards | undefined {
  const onCards = plans.toSorted((a, b) => (a.useCase < b.useCase ? -1 : 1)).flatMap(memberOf);
  if (onCards.length === 0) return undefined;
  const notPooled = onCards.flatMap(({ useCase, why }) => (why === undefined ? [] : [{ useCase, why }]));
  const pools: CardPool[] = [];
  for (const members of groupsOf(onCards.flatMap(({ member }) => (member ? [member] : [])))) {
    const { pool, left, why } = bestPool(members, currency);
    if (pool) pools.push(pool);
    notPooled.push(...left.map(({ useCase }) => ({ useCase, why })));
  }
  const taken = pools.filter(({ isTaken }) => isTaken);
  const dedicated = sumOf(taken, ({ dedicated: cost }) => cost, currency);
  const pooled = sumOf(taken, ({ pooled: cost }) => cost, currency);
  return {
    pools,
    notPooled: notPooled.toSorted((a, b) => (a.useCase < b.useCase ? -1 : 1)),
    dedicated,
    pooled,
    saving: lessCost(dedicated, pooled),
  };
}

interface OnCards {
  readonly useCase: string;
  readonly member?: PoolMember;
  readonly why?: string;
}

function memberOf({ useCase, cards, production }: PlanDocument): OnCards[] {
  const lines = (production?.lines ?? []).filter(
    ({ category, unit }) => category === "inference" && unit === "GPU hours",
  );
  const [first] = lines;
  if (!production || !first) return [];
  const alone = (why: string) => [{ useCase, why }];
  if (!cards) return alone("its plan does not say what its cards hold: plan it again");
  if (cards.placement === "edge") return alone("at the edge each device has its own card");
  if (production.lines.some(({ category }) => category === "compliance"))
    return alone("its compliance pays for machines of its own");
  if (!cards.cardHour) return alone(cards.why ?? "a card that can be cut has no price");
  const costs = lines.map(({ cost }) => costOfTexts(cost));
  return [
    { useCase, member: { useCase, cards, dedicated: sumCosts(costs, costOfTexts(first.cost).low.currency) } },
  ];
}

/** Those that may stand on one card together. */
function groupsOf(members: readonly PoolMember[]): PoolMember[][] {
  const groups = new Map<string, PoolMember[]>();
  for (const member of members) {
    const { placement, regions, spread, cardHour, priceRecords } = member.cards;
    const key = JSON.stringify([placement, regions.toSorted(), spread, cardHour, priceRecords.toSorted()]);
    groups.set(key, [...(groups.get(key) ?? []), member]);
  }
  return [...groups.values()];
}

interface BestPool {
  readonly pool?: CardPool;
  readonly left: readonly PoolMember[];
  readonly why: string;
}

/** All of them, or those alone that have large cards anyway: whichever saves more in the expected case. */
function bestPool(members: readonly PoolMember[], currency: string): BestPool {
  if (members.length < 2)
    return { left: members, why: "no other use case shares its placement, regions and prices" };
  const all = poolOf(members, currency);
  const large = members.filter(({ cards }) => cards.products.some((name) => isLarge(name)));
  const some = large.length >= 2 && large.length < members.length ? poolOf(large, currency) : undefined;
  if (some?.isTaken && compareMoney(some.saving.expected, all.saving.expected) > 0)
    return {
      pool: some,
      left: members.filter((member) => !large.includes(member)),
      why: "a slice of a large card costs more than its own small one",
    };
  return { pool: all, left: [], why: "" };
}

function isLarge(product: string): boolean {
  return gpuModels.some((name) => name === product);
}

function poolOf(members: readonly PoolMember[], currency: string): CardPool {
  const [first] = members;
  const { placement = "", regions = [], cardHour, priceRecords = [] } = first?.cards ?? {};
  const hour = cardHour ? costOfTexts(cardHour) : noCost(currency);
  const packed = mapRange(hour, (_, which) => fewestCards(members, which));
  const cards = mapRange(packed, ({ count }) => count);
  const pooled = mapRange(hour, (price, which) => multiplyMoney(price, BigInt(cards[which] * hoursPerMonth)));
  const parts = mapRange(pooled, (cost, which) => shares(cost, members, which));
  const dedicated = sumOf(members, ({ dedicated: cost }) => cost, currency);
  const saving = lessCost(dedicated, pooled);
  return {
    placement,
    regions: regions.toSorted(),
    cards,
    isFewest: [packed.low, packed.expected, packed.high].every(({ isOptimal }) => isOptimal),
    cardHour: hour,
    records: priceRecords.toSorted(),
    dedicated,
    pooled,
    saving,
    isTaken: saving.expected.nanos > 0n,
    members: members.map((member, index) => ({
      ...member,
      pooled: mapRange(parts, (all) => all[index] ?? { nanos: 0n, currency }),
    })),
  };
}

type Case = keyof Range<unknown>;

/** The first replica of each, the second of each, and so on, packed for themselves: no two of one use case share a card. */
function fewestCards(members: readonly PoolMember[], which: Case): Packed {
  const packings = new Map<string, Packed>();
  const layers = Math.max(...members.map(({ cards }) => cards.replicas[which]));
  let count = 0;
  let isOptimal = true;
  for (let layer = 0; layer < layers; layer++) {
    const standing = members.filter(({ cards }) => cards.replicas[which] > layer);
    const counts = cutCardModel.profiles.map(
      ({ name }) => standing.filter(({ cards }) => profileOf(cards, which).name === name).length,
    );
    const key = counts.join();
    const packing = packings.get(key) ?? packedAt(counts);
    packings.set(key, packing);
    count += packing.count;
    isOptimal &&= packing.isOptimal;
  }
  return { count, isOptimal };
}

interface Packed {
  readonly count: number;
  readonly isOptimal: boolean;
}

function packedAt(counts: readonly number[]): Packed {
  const { cards, isOptimal } = packInstances(cutCardModel, counts);
  return { count: cards.length, isOptimal };
}

const wholeCard = cutCardModel.profiles.reduce((a, b) => (b.computeSlices > a.computeSlices ? b : a));

function profileOf({ slices }: CardsDocument, which: Case) {
  return cutCardModel.profiles.find(({ name }) => name === slices[which]) ?? wholeCard;
}

/** By the part of a card that the replicas take: of its compute or of its memory, whichever is more. */
function shares(cost: Money, members: readonly PoolMember[], which: Case): Money[] {
  return allocate(
    cost,
    members.map(({ cards }) => {
      const { computeSlices, memorySlices } = profileOf(cards, which);
      const part = Math.max(
        computeSlices * cutCardModel.memorySlices,
        memorySlices * cutCardModel.computeSlices,
      );
      return BigInt(cards.replicas[which] * part);
    }),
  );
}

function sumOf<T>(all: readonly T[], cost: (one: T) => Cost, currency: string): Cost {
  return sumCosts(all.map(cost), currency);
}
