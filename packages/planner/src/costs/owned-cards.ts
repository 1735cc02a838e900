import { type Money, multiplyMoney } from "@portolan/kernel";
import { hoursPerMonth } from "../assumptions.ts";
import { ownOrRent } from "../ownership/own-or-rent.ts";
import type { Placement } from "../price-book.ts";
import { choosePrice } from "../price-choice.ts";
import { type Cost, combine, costOf, exactly, mapRange, type Quantity, type Range, times } from "../range.ts";
import {
  type CostCategory,
  type CostLine,
  type CostQuestion,
  gpuModels,
  servingCards,
  smallGpuModels,
} from "./cost-line.ts";
import { forCosts } from "./load.ts";
import { servesOnCards, servingShape } from "./machines.ts";
import { priceOrWhy } from "./price-or-why.ts";
import { cardsAtWork } from "./workloads.ts";

/** What cards are for. */
export type CardWork = "serving" | "training" | "batch inference" | "fine-tuning";

/** Cards that would be bought, beside renting the same on demand. */
export interface CardPurchase {
  readonly what: CardWork;
  readonly cards: number;
  readonly usedHours: Quantity;
  readonly records: readonly string[];
  readonly upfront: Cost;
  /** Hundredths of a month; `undefined`: not within their life. `low` is the best case for owning. */
  readonly breakEvenMonths: Range<bigint | undefined>;
  /** Share of all hours; above 1: never. */
  readonly breakEvenUse: Quantity;
}

export interface CardGroup {
  readonly what: CardWork;
  readonly placement: Placement;
  readonly cards: number;
  readonly usedHours: Quantity;
  readonly products: readonly string[];
}

export function cardGroups(question: CostQuestion): CardGroup[] {
  const { assumptions, document, training, inference } = question;
  const gpus = document.workload?.trainingGpus ?? 0;
  const { active, redundant } = servingShape(question);
  const hours = times(assumptions.trainingRunsPerMonth.value, assumptions.trainingHours.value);
  return [
    ...(servesOnCards(question)
      ? [
          {
            what: "serving" as const,
            placement: inference,
            cards: Math.ceil(active.expected + redundant.expected),
            usedHours: exactly(hoursPerMonth),
            products: servingCards(question),
          },
        ]
      : []),
    ...(gpus > 0 && hours.high > 0
      ? [
          {
            what: "training" as const,
            placement: training,
            cards: gpus,
            usedHours: mapRange(hours, (value) => Math.min(value, hoursPerMonth)),
            products: gpuModels,
          },
        ]
      : []),
    ...cardsAtWork(question).map(({ workload, ...group }) => ({
      ...group,
      what: workload === "fine_tuning" ? ("fine-tuning" as const) : ("batch inference" as const),
    })),
  ];
}

/** The lines that cards of each are in. */
export const categoryOf = {
  serving: "inference",
  training: "training",
  "batch inference": "batch_inference",
  "fine-tuning": "fine_tuning",
} as const satisfies Readonly<Record<CardWork, CostCategory>>;

type OwnedCards =
  | { readonly kind: "bought"; readonly lines: CostLine[]; readonly upfront: Cost }
  | { readonly kind: "missing"; readonly why: string };

/** Write-off, power and room of a month, and what is paid at once. */
export function ownedCards(question: CostQuestion, group: CardGroup): OwnedCards {
  const prices = priceOrWhy(() => purchasePrices(question, group));
  if ("why" in prices)
    return { kind: "missing", why: `cards for ${group.what} at the price of an hour, ${prices.why}` };
  const { assumptions } = question;
  const { cards, what, usedHours, placement } = group;
  const { card, power, room } = prices;
  const { serverFactor, watts } = ownedAs(question, group);
  const upfront = costOf(card.price, times(serverFactor, cards));
  const life = mapRange(forCosts(assumptions.cardLifeMonths), (months) =>
    BigInt(Math.max(1, Math.round(months))),
  );
  const kilowatts = times(watts, cards / 1000);
  const category = categoryOf[what];
  const energy = combine(kilowatts, usedHours, (kw, hours) => kw * hours);
  return {
    kind: "bought",
    upfront,
    lines: [
      {
        category,
        what: `${cards} own cards for ${what}, written off`,
        unit: "cards",
        quantity: exactly(cards),
        cost: mapRange(upfront, (amount: Money, which) => multiplyMoney(amount, 1n, life[which])),
      },
      {
        category,
        what: `power of ${cards} cards`,
        unit: "kWh",
        quantity: energy,
        price: power,
        cost: costOf(power.price, energy),
      },
      ...(room
        ? [
            {
              category,
              what: `room for ${cards} cards in ${placement.replace("_", "-")}`,
              unit: "kW",
              quantity: kilowatts,
              price: room,
              cost: costOf(room.price, kilowatts),
            },
          ]
        : []),
    ],
  };
}

/** What a card is with its share of a server: that of a small one costs more beside it, and takes less power. */
function ownedAs({ assumptions }: CostQuestion, { products }: CardGroup) {
  const { serverFactor, cardWatts, smallServerFactor, smallCardWatts } = assumptions;
  return products === smallGpuModels
    ? { serverFactor: smallServerFactor.value, watts: smallCardWatts.value }
    : { serverFactor: serverFactor.value, watts: cardWatts.value };
}

function purchasePrices({ book, currency, now }: CostQuestion, { products, placement }: CardGroup) {
  const common = { placement, currency, now };
  return {
    card: choosePrice(book, { ...common, resource: "gpu_purchase", products }),
    power: choosePrice(book, { ...common, resource: "power_kwh" }),
    // A machine under one's own desk stands in no rented room.
    ...(placement === "on_prem"
      ? { room: choosePrice(book, { ...common, resource: "colocation_kw_month" }) }
      : {}),
  };
}

/** When each group of cards has paid for itself beside renting it on demand; groups without a price are left out, and their way says which. */
export function purchasesOf(question: CostQuestion): CardPurchase[] {
  const { assumptions, book, currency, now } = question;
  return cardGroups(question).flatMap((group) => {
    const { what, cards, usedHours, products } = group;
    const prices = priceOrWhy(() => ({
      ...purchasePrices(question, group),
      rent: choosePrice(book, { resource: "gpu_hour", placement: "cloud", products, currency, now }),
    }));
    if ("why" in prices) return [];
    const { card, power, room, rent } = prices;
    const { serverFactor, watts } = ownedAs(question, group);
    const kilowatts = times(watts, cards / 1000);
    const { breakEvenMonths, breakEvenUse, ways } = ownOrRent({
      currency,
      cards,
      usedHours,
      peakCards: 0,
      peakHours: exactly(0),
      cardPrice: card.price,
      serverFactor,
      lifeMonths: Math.max(1, Math.round(assumptions.cardLifeMonths.value.expected)),
      watts,
      kilowattHour: power.price,
      runningMonthly: costOf(room?.price ?? power.price, room ? kilowatts : exactly(0)),
      cloudHour: rent.price,
      // Ways of renting are planned with records (above), not with discounts.
      reservedDiscount: exactly(0),
      spotDiscount: exactly(0),
      interruptions: interruptionsOf(question),
    });
    const upfront = ways.find(({ name }) => name === "own")?.upfront;
    const records = [card, power, ...(room ? [room] : []), rent].flatMap((price) => price.records);
    return upfront ? [{ what, cards, usedHours, records, upfront, breakEvenMonths, breakEvenUse }] : [];
  });
}

export function interruptionsOf({ assumptions }: CostQuestion) {
  const { spotHoursBetweenInterruptions, spotCheckpointMinutes, spotRestartMinutes } = assumptions;
  return mapRange(forCosts(spotHoursBetweenInterruptions), (every, which) => ({
    every,
    checkpoint: spotCheckpointMinutes.value[which] / 60,
    restart: spotRestartMinutes.value[which] / 60,
  }));
}
