import { compareMoney, isPortolanError, type Money, multiplyMoney } from "@portolan/kernel";
import { hoursPerMonth, type Measurements } from "../assumptions.ts";
import { productionCosts, withCompliance } from "../costs.ts";
import { type LeverQuestion, type Pulled, reservedFor, trainOnSpot } from "../levers/levers.ts";
import { checkpointEvery } from "../ownership/interruptions.ts";
import { ownOrRent } from "../ownership/own-or-rent.ts";
import type { PlacementChoice } from "../placement-choice.ts";
import type { Placement } from "../price-book.ts";
import { choosePrice } from "../price-choice.ts";
import {
  type Cost,
  combine,
  costOf,
  exactly,
  mapRange,
  type Quantity,
  type Range,
  sumCosts,
  times,
} from "../range.ts";
import {
  type CostBreakdown,
  type CostLine,
  type CostQuestion,
  gpuModels,
  servingCards,
} from "./cost-line.ts";
import { forCosts, servesOnCards, servingShape, spotHoursPaid } from "./machines.ts";

export const planWayNames = [
  "cloud_on_demand",
  "cloud_reserved_1y",
  "cloud_reserved_3y",
  "cloud_spot_training",
  "own",
  "hybrid",
] as const;
export type PlanWayName = (typeof planWayNames)[number];

/** One way to have and pay the machines of the plan; storage, platform and people are in its costs too. */
export interface PlanWay {
  readonly name: PlanWayName;
  readonly title: string;
  /** Whether it is where and how the plan's own costs are. */
  readonly planned: boolean;
  /** Lines of the charter that rule it out; its price is what they cost. */
  readonly excludedBy: readonly string[];
  /** What is done, or which price is missing. */
  readonly why: string;
  /** Absent: a price is missing. Of what is owned the write-off is in it. */
  readonly costs?: CostBreakdown;
  /** What is bought at once; absent: nothing. */
  readonly upfront?: Cost;
}

/** Cards that would be bought, beside renting the same on demand. */
export interface CardPurchase {
  readonly what: "serving" | "training";
  readonly cards: number;
  readonly usedHours: Quantity;
  readonly records: readonly string[];
  readonly upfront: Cost;
  /** Hundredths of a month; `undefined`: not within their life. `low` is the best case for owning. */
  readonly breakEvenMonths: Range<bigint | undefined>;
  /** Share of all hours; above 1: never. */
  readonly breakEvenUse: Quantity;
}

export interface SpotRisk {
  /** Hours between checkpoints that lose least (Young), and hours paid for one of work (Daly). */
  readonly checkpointHours: Quantity;
  readonly paidPerHour: Quantity;
  /** That a run of the plan's length is interrupted at least once, 0 to 1. */
  readonly interruptedRuns: Quantity;
}

export interface WaysToPay {
  readonly ways: readonly PlanWay[];
  /** With the least expected infrastructure, of those that the charter allows and that have a price. Only training is interrupted, which saves checkpoints. */
  readonly least?: PlanWayName;
  readonly purchases: readonly CardPurchase[];
  /** Absent: nothing is trained. */
  readonly spot?: SpotRisk;
}

interface Asked {
  readonly question: CostQuestion;
  readonly measured: Measurements;
  readonly training: PlacementChoice;
  readonly inference: PlacementChoice;
}

/** Where it runs and how it is paid, side by side: each the whole plan made again. Pure. */
export function waysToPay(asked: Asked): WaysToPay {
  const ways = planWayNames.map((name) => wayOf(name, asked));
  const certain = ways.flatMap(({ name, costs, excludedBy }) =>
    costs && excludedBy.length === 0 ? [{ name, cost: costs.infrastructure.expected }] : [],
  );
  const [least] = certain.toSorted((a, b) => compareMoney(a.cost, b.cost));
  const spot = asked.question.assumptions.trainingRunsPerMonth.value.high > 0;
  return {
    ways,
    ...(least ? { least: least.name } : {}),
    purchases: purchasesOf(ownQuestion(asked.question, true)),
    ...(spot ? { spot: spotRisk(asked.question) } : {}),
  };
}

const titles: Readonly<Record<PlanWayName, string>> = {
  cloud_on_demand: "cloud, on demand",
  cloud_reserved_1y: "cloud, what never stops reserved for a year",
  cloud_reserved_3y: "cloud, what never stops reserved for three years",
  cloud_spot_training: "cloud, training on spot machines",
  own: "own machines",
  hybrid: "hybrid: own machines answer, training is rented",
};

function wayOf(name: PlanWayName, asked: Asked): PlanWay {
  const { question } = asked;
  const title = titles[name];
  const planned = plannedWay(question) === name;
  const excludedBy = exclusions(name, asked);
  const told = { name, title, planned, excludedBy };
  const cloud: LeverQuestion = { question: inCloud(question), measured: asked.measured };
  const found = priceOrWhy(() => pricedWay(name, told, cloud, question));
  return "name" in found ? found : { ...told, why: found.why };
}

function pricedWay(
  name: PlanWayName,
  told: Omit<PlanWay, "why">,
  cloud: LeverQuestion,
  question: CostQuestion,
): PlanWay {
  switch (name) {
    case "cloud_on_demand":
      return { ...told, why: "all of it by the hour", costs: productionCosts(cloud.question) };
    case "cloud_reserved_1y":
      return pulledWay(told, reservedFor(cloud, "reserved_1y"));
    case "cloud_reserved_3y":
      return pulledWay(told, reservedFor(cloud, "reserved_3y"));
    case "cloud_spot_training":
      return pulledWay(told, trainOnSpot(cloud));
    case "own":
      return ownedWay(told, ownQuestion(question, true));
    case "hybrid":
      return question.assumptions.trainingRunsPerMonth.value.high > 0
        ? ownedWay(told, ownQuestion(question, false))
        : { ...told, why: "nothing is trained" };
  }
}

function pulledWay(told: Omit<PlanWay, "why">, pulled: Pulled): PlanWay {
  return pulled.kind === "off"
    ? { ...told, why: pulled.why }
    : { ...told, why: pulled.how, costs: productionCosts(pulled.asked.question) };
}

function plannedWay({ training, inference, assumptions }: CostQuestion): PlanWayName | undefined {
  const trains = assumptions.trainingRunsPerMonth.value.high > 0;
  if (inference === "cloud") return !trains || training === "cloud" ? "cloud_on_demand" : undefined;
  return trains && training === "cloud" ? "hybrid" : "own";
}

/** What answers beside a machine stays there, whatever the rest does. */
function inCloud(question: CostQuestion): CostQuestion {
  const { inference } = question;
  return { ...question, training: "cloud", inference: inference === "edge" ? inference : "cloud" };
}

function ownQuestion(question: CostQuestion, trains: boolean): CostQuestion {
  const own = (placement: Placement): Placement => (placement === "cloud" ? "on_prem" : placement);
  return {
    ...question,
    training: trains ? own(question.training) : "cloud",
    inference: own(question.inference),
  };
}

function exclusions(name: PlanWayName, { question, training, inference }: Asked): string[] {
  const place = (choice: PlacementChoice, at: Placement): string[] =>
    (choice.candidates.find(({ placement }) => placement === at)?.eliminatedBy ?? []).map(
      ({ reason }) => `${choice.workload}: ${reason}`,
    );
  const { assumptions } = question;
  const trains = assumptions.trainingRunsPerMonth.value.high > 0;
  const own = ownQuestion(question, true);
  const [trainAt, answerAt] =
    name === "own"
      ? [own.training, own.inference]
      : name === "hybrid"
        ? (["cloud", own.inference] as const)
        : (["cloud", inCloud(question).inference] as const);
  return [...(trains ? place(training, trainAt) : []), ...place(inference, answerAt)];
}

/** Cards are bought where the book says what one costs; all else is at the book's prices of an hour for own machines. */
function ownedWay(told: Omit<PlanWay, "why">, question: CostQuestion): PlanWay {
  const rented = productionCosts(question);
  const groups = cardGroups(question).filter(({ placement }) => placement !== "cloud");
  const priced = groups.map((group) => ({ group, ...ownedCards(question, group) }));
  const bought = priced.filter((one) => one.kind === "bought");
  const lacking = priced.flatMap((one) => (one.kind === "missing" ? [one.why] : []));
  const cards = bought.reduce((sum, { group }) => sum + group.cards, 0);
  const byTheHour =
    groups.length === 0
      ? ["at the book's prices of an hour for own machines: no record says what a server without cards costs"]
      : lacking;
  const why = [
    ...(cards > 0 ? [`${cards} cards are bought; power and room are in the month`] : []),
    ...byTheHour,
  ].join("; ");
  if (bought.length === 0) return { ...told, why, costs: rented };
  const kept = rented.lines.filter(
    (line) => line.category !== "compliance" && !bought.some(({ group }) => isLineOf(group, line)),
  );
  return {
    ...told,
    why,
    costs: withCompliance([...kept, ...bought.flatMap(({ lines }) => lines)], question),
    upfront: sumCosts(
      bought.map((one) => one.upfront),
      question.currency,
    ),
  };
}

function isLineOf({ what }: CardGroup, { category, price }: CostLine): boolean {
  return price?.resource === "gpu_hour" && category === (what === "serving" ? "inference" : "training");
}

interface CardGroup {
  readonly what: "serving" | "training";
  readonly placement: Placement;
  readonly cards: number;
  readonly usedHours: Quantity;
  readonly products: readonly string[];
}

function cardGroups(question: CostQuestion): CardGroup[] {
  const { assumptions, tier, document, training, inference } = question;
  const gpus = document.workload?.trainingGpus ?? 0;
  const { active, redundant } = servingShape(question);
  const hours = times(assumptions.trainingRunsPerMonth.value, assumptions.trainingHours.value);
  return [
    ...(servesOnCards(tier, assumptions)
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
  ];
}

type OwnedCards =
  | { readonly kind: "bought"; readonly lines: CostLine[]; readonly upfront: Cost }
  | { readonly kind: "missing"; readonly why: string };

/** Write-off, power and room of a month, and what is paid at once. */
function ownedCards(question: CostQuestion, group: CardGroup): OwnedCards {
  const prices = priceOrWhy(() => purchasePrices(question, group));
  if ("why" in prices)
    return { kind: "missing", why: `cards for ${group.what} at the price of an hour, ${prices.why}` };
  const { assumptions } = question;
  const { cards, what, usedHours, placement } = group;
  const { card, power, room } = prices;
  const upfront = costOf(card.price, times(assumptions.serverFactor.value, cards));
  const life = mapRange(forCosts(assumptions.cardLifeMonths), (months) =>
    BigInt(Math.max(1, Math.round(months))),
  );
  const kilowatts = times(assumptions.cardWatts.value, cards / 1000);
  const category = what === "serving" ? ("inference" as const) : ("training" as const);
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
function purchasesOf(question: CostQuestion): CardPurchase[] {
  const { assumptions, book, currency, now } = question;
  return cardGroups(question).flatMap((group) => {
    const { what, cards, usedHours, products } = group;
    const prices = priceOrWhy(() => ({
      ...purchasePrices(question, group),
      rent: choosePrice(book, { resource: "gpu_hour", placement: "cloud", products, currency, now }),
    }));
    if ("why" in prices) return [];
    const { card, power, room, rent } = prices;
    const kilowatts = times(assumptions.cardWatts.value, cards / 1000);
    const { breakEvenMonths, breakEvenUse, ways } = ownOrRent({
      currency,
      cards,
      usedHours,
      peakCards: 0,
      peakHours: exactly(0),
      cardPrice: card.price,
      serverFactor: assumptions.serverFactor.value,
      lifeMonths: Math.max(1, Math.round(assumptions.cardLifeMonths.value.expected)),
      watts: assumptions.cardWatts.value,
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

/** A price that is missing is said; every other fault is one. */
function priceOrWhy<T extends object>(work: () => T): T | { readonly why: string } {
  try {
    return work();
  } catch (error) {
    if (isPortolanError(error) && error.code === "planner.price_missing")
      return { why: `price missing: ${error.detail ?? "a record"}; add one with its source (--prices)` };
    throw error;
  }
}

function interruptionsOf({ assumptions }: CostQuestion) {
  const { spotHoursBetweenInterruptions, spotCheckpointMinutes, spotRestartMinutes } = assumptions;
  return mapRange(forCosts(spotHoursBetweenInterruptions), (every, which) => ({
    every,
    checkpoint: spotCheckpointMinutes.value[which] / 60,
    restart: spotRestartMinutes.value[which] / 60,
  }));
}

function spotRisk(question: CostQuestion): SpotRisk {
  const interruptions = interruptionsOf(question);
  const { trainingHours } = question.assumptions;
  return {
    checkpointHours: mapRange(interruptions, (of) => checkpointEvery(of)),
    paidPerHour: spotHoursPaid(question.assumptions),
    interruptedRuns: combine(
      trainingHours.value,
      mapRange(interruptions, ({ every }) => every),
      (hours, every) => 1 - Math.exp(-hours / every),
    ),
  };
}
