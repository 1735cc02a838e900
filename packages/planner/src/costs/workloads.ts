import { compareMoney, isPortolanError } from "@portolan/kernel";
import { type Assumptions, hoursPerMonth } from "../assumptions.ts";
import type { Architecture } from "../placement/architecture.ts";
import type { PlannedWorkload } from "../placement-choice.ts";
import type { Placement } from "../price-book.ts";
import { combine, mapRange, type Quantity, sumCosts, times } from "../range.ts";
import { type AssumptionKey, assumptionOption } from "./assumption-catalogue.ts";
import { bookFor, type CostLine, type CostQuestion, costLine, isPriced, servingCards } from "./cost-line.ts";
import { forCosts } from "./load.ts";
import { replicaGib, spotHoursPaid } from "./machines.ts";

/** Workloads that are priced apart once their size is stated. */
export type ApartWorkload = Extract<PlannedWorkload, "batch_inference" | "retrieval" | "fine_tuning">;

/** The figure that says how large each is; until it is above zero there is none. */
const sizes = {
  batch_inference: "batchRowsPerRun",
  retrieval: "retrievalVectors",
  fine_tuning: "fineTuningTokens",
} as const satisfies Readonly<Record<ApartWorkload, AssumptionKey>>;
const apart: ReadonlySet<string> = new Set(Object.keys(sizes));

/** Those whose size this plan has. */
export function sizedWorkloads(assumptions: Assumptions): ApartWorkload[] {
  return (Object.keys(sizes) as ApartWorkload[]).filter(
    (workload) => assumptions[sizes[workload]].value.high > 0,
  );
}

/** The same of a plan as it is kept. */
export function isSizeOfApart(key: string | undefined): boolean {
  return Object.values(sizes).some((size) => assumptionOption(size) === key);
}

/** Whether a category of costs, or a group of assumptions, is that of a workload which is priced apart. */
export function isApart(category: string | undefined): boolean {
  return category !== undefined && apart.has(category);
}

/**
 * Where each may be: what is preferred first, then what the charter leaves besides; none where it excludes every place. Own machines are no place besides where nothing
 * else of the use case has any: nobody buys a card for three hours a month.
 */
export type WorkloadPlaces = { readonly [W in ApartWorkload]: readonly Placement[] };

export function workloadPlaces({ workloads }: Architecture): WorkloadPlaces {
  const hasOwn = workloads.some(({ asked, choice }) => asked && choice.chosen === "on_prem");
  const of = (workload: ApartWorkload): Placement[] => {
    const choice = workloads.find((placed) => placed.workload === workload)?.choice;
    if (choice?.chosen === undefined) return [];
    const others = choice.candidates.filter(
      ({ placement, eliminatedBy }) =>
        eliminatedBy.length === 0 && (placement === "cloud" || (placement === "on_prem" && hasOwn)),
    );
    return [...new Set([choice.chosen, ...others.map(({ placement }) => placement)])];
  };
  return {
    batch_inference: of("batch_inference"),
    retrieval: of("retrieval").slice(0, 1),
    fine_tuning: of("fine_tuning"),
  };
}

const gib = 2 ** 30;
const msPerHour = 3_600_000;
const bytesPerGb = 1e9;

/** Lines of what is stated of batch inference, retrieval and fine-tuning; none where nothing is. */
export function apartLines(question: CostQuestion): CostLine[] {
  return [...batchLines(question), ...retrievalLines(question), ...fineTuningLines(question)];
}

/** How a run that may be interrupted is paid for. */
interface Paid {
  readonly placement: Placement;
  readonly isSpot: boolean;
  /** Hours paid for one of work. */
  readonly factor: Quantity;
}

/** Rows by runs by the time of a row; as many machines at once as the window asks for. */
function batchLines(question: CostQuestion): CostLine[] {
  const { batchRowsPerRun, batchRunsPerMonth, batchWindowHours } = question.assumptions;
  if (batchRowsPerRun.value.high === 0) return [];
  const perRun = hoursOfBatch(question);
  const isOnCards = batchesOnCards(question);
  const resource = isOnCards ? "gpu_hour" : "cpu_core_hour";
  const products = isOnCards ? { products: servingCards(question) } : {};
  return cheapest(question, "batch_inference", { resource, ...products }, (paid, paying) => {
    const machine = times(perRun, paid.factor);
    const atOnce = machinesFor(machine.expected, batchWindowHours.value.expected);
    const hours = times(machine, batchRunsPerMonth.value);
    const where = wordsOf(paid);
    return [
      costLine(question, paid.placement, resource, {
        category: "batch_inference",
        what: `${atOnce} ${isOnCards ? "card" : "core"}${atOnce === 1 ? "" : "s"} in ${batchWindowHours.value.expected} hours${where}`,
        unit: isOnCards ? "GPU hours" : "core hours",
        quantity: hours,
        ...products,
        ...paying(resource),
      }),
      costLine(question, paid.placement, "memory_gib_hour", {
        category: "batch_inference",
        what: `memory${where}`,
        unit: "GiB hours",
        quantity: times(hours, replicaGib(question.assumptions)),
        ...paying("memory_gib_hour"),
      }),
    ];
  });
}

/** Whether batches have cards: those of a model that a core would take too long for. */
export function batchesOnCards({ assumptions, practice }: CostQuestion): boolean {
  return practice?.batchOnCards ?? assumptions.modelBytes.value.expected > 1e9;
}

/** At work at once, so that so many hours of work are done within so many; what is only a rounding above a whole number takes no more. */
function machinesFor(work: number, within: number): number {
  return Math.max(1, Math.ceil(Number((work / within).toPrecision(12))));
}

/** Of a core or a card, for one run. */
function hoursOfBatch({ assumptions }: CostQuestion): Quantity {
  return times(times(assumptions.batchRowsPerRun.value, assumptions.batchMsPerRow.value), 1 / msPerHour);
}

/** Cards that would be at work at once if they were bought, and the hours of a month that each is used. */
export interface CardsAtWork {
  readonly workload: "batch_inference" | "fine_tuning";
  readonly placement: Placement;
  readonly cards: number;
  readonly usedHours: Quantity;
  readonly products: readonly string[];
}

/** Of batches as many as their window asks for, of tuning as few as the month has room for. */
export function cardsAtWork(question: CostQuestion): CardsAtWork[] {
  const { assumptions, places } = question;
  const at = (
    workload: CardsAtWork["workload"],
    cards: number,
    hours: Quantity,
    products: readonly string[],
  ) => {
    const [placement] = places?.[workload] ?? [];
    const usedHours = mapRange(hours, (all) => Math.min(hoursPerMonth, all / cards));
    return placement === undefined || hours.high === 0
      ? []
      : [{ workload, placement, cards, usedHours, products }];
  };
  const perRun = hoursOfBatch(question);
  const batch = times(perRun, assumptions.batchRunsPerMonth.value);
  const atOnce = machinesFor(perRun.expected, assumptions.batchWindowHours.value.expected);
  const tuning = hoursOfTuning(question);
  const tuned = machinesFor(tuning.expected, hoursPerMonth);
  return [
    ...(batchesOnCards(question) ? at("batch_inference", atOnce, batch, servingCards(question)) : []),
    ...at("fine_tuning", tuned, tuning, tuningCards),
  ];
}

const tuningCards = ["A100"];

/** GPU hours of a month: operations of a parameter and a token, by parameters, tokens and epochs, over what a card computes. */
function hoursOfTuning({ assumptions }: CostQuestion): Quantity {
  const { fineTuningTokens, fineTuningEpochs, fineTuningParameters, flopsPerParameterToken } = assumptions;
  const flops = [fineTuningEpochs, fineTuningParameters, flopsPerParameterToken].reduce(
    (product, { value }) => times(product, value),
    fineTuningTokens.value,
  );
  return combine(
    times(flops, assumptions.fineTuningRunsPerMonth.value),
    forCosts(assumptions.usefulTflops),
    (work, tflops) => work / (tflops * 1e12) / 3600,
  );
}

function fineTuningLines(question: CostQuestion): CostLine[] {
  if (question.assumptions.fineTuningTokens.value.high === 0) return [];
  const hours = hoursOfTuning(question);
  const products = tuningCards;
  return cheapest(question, "fine_tuning", { resource: "gpu_hour", products }, (paid, paying) => [
    costLine(question, paid.placement, "gpu_hour", {
      category: "fine_tuning",
      what: `examples seen on cards${wordsOf(paid)}`,
      unit: "GPU hours",
      quantity: times(hours, paid.factor),
      products,
      ...paying("gpu_hour"),
    }),
  ]);
}

/** Where vectors are searched; absent: nowhere. */
export function retrievalPlace({ assumptions, places }: CostQuestion): Placement | undefined {
  return assumptions.retrievalVectors.value.high === 0 ? undefined : places?.retrieval[0];
}

/** What runs all month is paid for as all that does; what has no such price stays on demand. */
function steadily(question: CostQuestion, placement: Placement, resource: Resource) {
  const pricing = question.practice?.steady;
  const isPaidSo =
    pricing !== undefined &&
    placement === "cloud" &&
    isPriced(question, question.book, { resource, placement, pricing });
  return isPaidSo ? { on: `, ${pricing.replace("_", " ")}`, paying: { pricing } } : { on: "", paying: {} };
}

/** Vectors that are kept, those in memory, and the cores that search them: at least one for each copy. */
function retrievalLines(question: CostQuestion): CostLine[] {
  const { assumptions } = question;
  const placement = retrievalPlace(question);
  if (placement === undefined) return [];
  const bytes = times(assumptions.retrievalVectors.value, assumptions.vectorBytes.value);
  const copies = assumptions.retrievalCopies.value;
  const work = combine(
    times(assumptions.retrievalQueriesPerSecond.value, assumptions.retrievalMsPerQuery.value),
    forCosts(assumptions.plannedUtilisation),
    (busyMs, most) => busyMs / 1000 / most,
  );
  const category = "retrieval" as const;
  const memory = steadily(question, placement, "memory_gib_hour");
  const cores = steadily(question, placement, "cpu_core_hour");
  return [
    costLine(question, placement, "storage_gb_month", {
      category,
      what: "vectors that are kept",
      unit: "GB months",
      quantity: times(bytes, 1 / bytesPerGb),
    }),
    costLine(question, placement, "memory_gib_hour", {
      category,
      ...memory.paying,
      what: `vectors in memory${memory.on}`,
      unit: "GiB hours",
      quantity: times(times(times(bytes, assumptions.vectorIndexFactor.value), copies), hoursPerMonth / gib),
    }),
    costLine(question, placement, "cpu_core_hour", {
      category,
      ...cores.paying,
      what: `cores that search${cores.on}`,
      unit: "core hours",
      quantity: times(combine(work, copies, Math.max), hoursPerMonth),
    }),
  ];
}

interface Machine {
  readonly resource: "gpu_hour" | "cpu_core_hour";
  readonly products?: readonly string[];
}

type Resource = Machine["resource"] | "memory_gib_hour";
type Paying = (resource: Resource) => { readonly pricing?: "spot" };

/** The lines that cost least in the expected case, of every place and, in the cloud, on demand and on spot machines with checkpoints. */
function cheapest(
  question: CostQuestion,
  workload: "batch_inference" | "fine_tuning",
  machine: Machine,
  linesOf: (paid: Paid, paying: Paying) => CostLine[],
): CostLine[] {
  const book = bookFor(question, workload);
  const asked = { products: undefined, ...machine };
  const one = { low: 1, expected: 1, high: 1 };
  const spotOf: Paying = () => ({ pricing: "spot" });
  const ways = (question.places?.[workload] ?? []).flatMap((placement) => {
    const onDemand = () => linesOf({ placement, isSpot: false, factor: one }, () => ({}));
    const isSpotPriced = isPriced(question, book, { ...asked, placement, pricing: "spot" });
    if (placement !== "cloud" || !isSpotPriced) return [onDemand];
    const factor = spotHoursPaid(question.assumptions);
    return [onDemand, () => linesOf({ placement, isSpot: true, factor }, spotOf)];
  });
  const found = ways.flatMap((lines) => ifPriced(lines));
  const cost = (lines: readonly CostLine[]) =>
    sumCosts(
      lines.map((line) => line.cost),
      question.currency,
    ).expected;
  const [least] = found.toSorted((a, b) => compareMoney(cost(a), cost(b)));
  // A price that no place has is the fault of the plan, as of any other line.
  return least ?? ways[0]?.() ?? [];
}

function ifPriced(lines: () => CostLine[]): CostLine[][] {
  try {
    return [lines()];
  } catch (error) {
    if (isPortolanError(error) && error.code === "planner.price_missing") return [];
    throw error;
  }
}

const placeWords = {
  cloud: "in the cloud",
  on_prem: "on own machines",
  local: "on one machine",
  edge: "at the edge",
};

function wordsOf({ placement, isSpot }: Paid): string {
  return ` ${placeWords[placement]}${isSpot ? ", spot" : ""}`;
}
