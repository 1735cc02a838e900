import { compareMoney } from "@portolan/kernel";
import type { Measurements } from "../assumptions.ts";
import { productionCosts, withCompliance } from "../costs.ts";
import { type LeverQuestion, type Pulled, reservedFor, trainOnSpot } from "../levers/levers.ts";
import { checkpointEvery } from "../ownership/interruptions.ts";
import type { PlacedWorkload } from "../placement/architecture.ts";
import type { PlacementChoice } from "../placement-choice.ts";
import type { Placement } from "../price-book.ts";
import { type Cost, combine, mapRange, type Quantity, sumCosts } from "../range.ts";
import type { CostBreakdown, CostLine, CostQuestion } from "./cost-line.ts";
import { spotHoursPaid } from "./machines.ts";
import {
  type CardGroup,
  type CardPurchase,
  cardGroups,
  categoryOf,
  interruptionsOf,
  ownedCards,
  purchasesOf,
} from "./owned-cards.ts";
import { priceOrWhy } from "./price-or-why.ts";
import { type ApartWorkload, sizedWorkloads } from "./workloads.ts";

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
  /** All workloads with where they may be. */
  readonly apart: readonly PlacedWorkload[];
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
      return {
        ...told,
        why: `all of it by the hour${spotApart(cloud.question)}`,
        costs: productionCosts(cloud.question),
      };
    case "cloud_reserved_1y":
      return pulledWay(told, reservedFor(cloud, "reserved_1y"));
    case "cloud_reserved_3y":
      return pulledWay(told, reservedFor(cloud, "reserved_3y"));
    case "cloud_spot_training":
      return pulledWay(told, trainOnSpot(cloud));
    case "own":
      return ownedWay(told, ownQuestion(question, true));
    case "hybrid":
      return rents(question)
        ? ownedWay(told, ownQuestion(question, false))
        : { ...told, why: "nothing is trained" };
  }
}

/** Whether anything is trained or tuned, which is what is rented beside machines that answer. */
function rents({ assumptions }: CostQuestion): boolean {
  return (
    assumptions.trainingRunsPerMonth.value.high > 0 || sizedWorkloads(assumptions).includes("fine_tuning")
  );
}

function spotApart({ assumptions }: CostQuestion): string {
  return sizedWorkloads(assumptions).some((workload) => workload !== "retrieval")
    ? "; batches and tuning on spot machines where that costs less"
    : "";
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
  return {
    ...question,
    ...placesAt("cloud"),
    training: "cloud",
    inference: inference === "edge" ? inference : "cloud",
  };
}

function ownQuestion(question: CostQuestion, trains: boolean): CostQuestion {
  const own = (placement: Placement): Placement => (placement === "cloud" ? "on_prem" : placement);
  return {
    ...question,
    ...placesAt(ownPlace(question), trains ? ownPlace(question) : "cloud"),
    training: trains ? own(question.training) : "cloud",
    inference: own(question.inference),
  };
}

/** Beside a single machine there is no other one to own. */
function ownPlace({ training, inference }: CostQuestion): Placement {
  return training === "local" && inference === "local" ? "local" : "on_prem";
}

/** What is priced apart is where the way has its machines; tuning is where training is. */
function placesAt(place: Placement, tuning = place): Pick<CostQuestion, "places"> {
  return { places: { batch_inference: [place], retrieval: [place], fine_tuning: [tuning] } };
}

function exclusions(name: PlanWayName, { question, training, inference, apart }: Asked): string[] {
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
  const sized = sizedWorkloads(assumptions);
  const places = (
    name === "own" || name === "hybrid" ? ownQuestion(question, name === "own") : inCloud(question)
  ).places;
  return [
    ...(trains ? place(training, trainAt) : []),
    ...place(inference, answerAt),
    ...apart.flatMap(({ workload, choice }) =>
      sized.some((one) => one === workload)
        ? (places?.[workload as ApartWorkload] ?? []).flatMap((at) => place(choice, at))
        : [],
    ),
  ];
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
  return price?.resource === "gpu_hour" && category === categoryOf[what];
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
