import type { CharterDocument } from "@portolan/charter/contract";
import { termsOf, workloadOf } from "@portolan/charter/policy";
import { type Currency, type EpochMicros, multiplyMoney } from "@portolan/kernel";
import { type Assumptions, hoursPerMonth } from "./assumptions.ts";
import type { Placement, PriceBook, PricedResource } from "./price-book.ts";
import { type ChosenPrice, choosePrice } from "./price-choice.ts";
import {
  type Cost,
  combine,
  costOf,
  exactly,
  mapRange,
  type Quantity,
  sumCosts,
  times,
  toMillionths,
} from "./range.ts";
import type { Tier } from "./tier.ts";

export const costCategories = [
  "training",
  "inference",
  "storage",
  "egress",
  "platform",
  "compliance",
  "people",
] as const;
export type CostCategory = (typeof costCategories)[number];

/** One line of the plan: price times quantity, both shown. */
export interface CostLine {
  readonly category: CostCategory;
  readonly what: string;
  readonly unit: string;
  readonly quantity: Quantity;
  readonly price?: ChosenPrice;
  readonly cost: Cost;
}

export interface CostBreakdown {
  readonly lines: readonly CostLine[];
  /** The exact sum of all lines but people: what a bill of machines would say, compared with the ceiling. */
  readonly infrastructure: Cost;
  /** The exact sum of all lines. */
  readonly total: Cost;
}

export interface CostQuestion {
  readonly document: CharterDocument;
  readonly assumptions: Assumptions;
  readonly training: Placement;
  readonly inference: Placement;
  readonly tier: Tier;
  /** That answer in production. */
  readonly replicas: Quantity;
  readonly book: PriceBook;
  /** Prices of sellers that training may use too; absent: those of `book`. */
  readonly trainingBook?: PriceBook;
  readonly currency: Currency;
  readonly now: EpochMicros;
}

const gib = 2 ** 30;
const secondsPerMonth = hoursPerMonth * 3600;
const daysPerMonth = 30;
/** GPU models that the article's figures are about, for training and large models. */
const gpuModels = ["A100", "H100"];
const smallGpuModels = ["L4"];

/** What the use case costs in a month of production, once the log has its full length. */
export function productionCosts(question: CostQuestion): CostBreakdown {
  const { assumptions, document } = question;
  const terms = termsOf(document);
  const lines = [
    ...trainingLines(question, assumptions.trainingRunsPerMonth.value),
    ...servingLines(question, question.replicas, hoursPerMonth),
    ...storageLines(
      question,
      assumptions.averageRequestsPerSecond.value,
      terms.retentionMs / 86_400_000 / daysPerMonth,
    ),
    ...egressLines(question, assumptions.averageRequestsPerSecond.value),
    ...platformLines(question),
  ];
  return totals([...lines, ...complianceLine(lines, assumptions, question.currency)], question);
}

/** What the proof of concept costs: one replica in working hours, a hundredth of the load, no redundancy, no audit. */
export function pocCosts(question: CostQuestion): CostBreakdown {
  const load = times(question.assumptions.averageRequestsPerSecond.value, 0.01);
  const workingHours = 8 * 22;
  return totals(
    [
      ...trainingLines(question, exactly(question.document.model.trainer === undefined ? 0 : 1)),
      ...servingLines(question, exactly(1), workingHours),
      ...storageLines(question, load, 1),
    ],
    question,
  );
}

function line(
  question: CostQuestion,
  placement: Placement,
  resource: PricedResource,
  part: {
    category: CostCategory;
    what: string;
    unit: string;
    quantity: Quantity;
    products?: readonly string[];
  },
): CostLine {
  const { products, ...shown } = part;
  const { currency, now } = question;
  const book = part.category === "training" ? (question.trainingBook ?? question.book) : question.book;
  const price = choosePrice(book, { resource, placement, currency, now, ...(products ? { products } : {}) });
  return { ...shown, price, cost: costOf(price.price, part.quantity) };
}

function trainingLines(question: CostQuestion, runs: Quantity): CostLine[] {
  const { assumptions, document, training } = question;
  if (runs.high === 0) return [];
  const gpus = workloadOf(document).trainingGpus ?? 0;
  const hours = times(runs, assumptions.trainingHours.value);
  const category = "training" as const;
  if (gpus > 0) {
    const quantity = times(hours, gpus);
    return [
      line(question, training, "gpu_hour", {
        category,
        what: `training on ${gpus} GPUs`,
        unit: "GPU hours",
        quantity,
        products: gpuModels,
      }),
    ];
  }
  const cores = 4;
  return [
    line(question, training, "cpu_core_hour", {
      category,
      what: `training on ${cores} cores`,
      unit: "core hours",
      quantity: times(hours, cores),
    }),
  ];
}

function servingLines(question: CostQuestion, replicas: Quantity, hours: number): CostLine[] {
  const { inference, tier, assumptions } = question;
  const category = "inference" as const;
  const replicaHours = times(replicas, hours);
  // The model in memory three times (loaded, warming up, next version) beside half a GiB of runtime.
  const memory = mapRange(assumptions.modelBytes.value, (bytes) => 0.5 + (3 * bytes) / gib);
  const lines = [
    line(question, inference, "cpu_core_hour", {
      category,
      what: "serving, one core a replica",
      unit: "core hours",
      quantity: replicaHours,
    }),
    line(question, inference, "memory_gib_hour", {
      category,
      what: "serving, memory",
      unit: "GiB hours",
      quantity: times(replicaHours, memory),
    }),
  ];
  if (tier === "cpu" || (tier === "edge" && assumptions.modelBytes.value.expected < 1e8)) return lines;
  const products = assumptions.modelBytes.value.expected > 1e10 ? gpuModels : smallGpuModels;
  return [
    ...lines,
    line(question, inference, "gpu_hour", {
      category,
      what: "serving on GPUs",
      unit: "GPU hours",
      quantity: replicaHours,
      products,
    }),
  ];
}

function storageLines(question: CostQuestion, load: Quantity, months: number): CostLine[] {
  const { assumptions, inference, training } = question;
  const raw = times(times(load, assumptions.recordBytes.value), secondsPerMonth / 1e9);
  const log = times(times(raw, assumptions.compression.value), months);
  const category = "storage" as const;
  const unit = "GB months";
  const sets = combine(
    assumptions.trainingDataBytes.value,
    assumptions.trainingRunsPerMonth.value,
    (bytes, runs) => (bytes / 1e9) * Math.max(1, Math.min(runs, 3)),
  );
  return [
    line(question, inference, "storage_gb_month", {
      category,
      what: `prediction log, ${Number(months.toFixed(1))} months kept`,
      unit,
      quantity: log,
    }),
    line(question, training, "storage_gb_month", { category, what: "training sets", unit, quantity: sets }),
  ];
}

/** Answers that leave the cloud: half a kilobyte each. */
function egressLines(question: CostQuestion, load: Quantity): CostLine[] {
  if (question.inference !== "cloud") return [];
  const quantity = times(load, (secondsPerMonth * 500) / 1e9);
  return [
    line(question, "cloud", "egress_gb", {
      category: "egress",
      what: "answers leaving the cloud",
      unit: "GB",
      quantity,
    }),
  ];
}

/** The share of control plane, database and monitoring: two cores and four GiB around the clock. */
function platformLines(question: CostQuestion): CostLine[] {
  const { inference, training, assumptions } = question;
  const place = inference === "edge" ? training : inference;
  return [
    line(question, place, "cpu_core_hour", {
      category: "platform",
      what: "control plane, two cores",
      unit: "core hours",
      quantity: exactly(2 * hoursPerMonth),
    }),
    line(question, place, "memory_gib_hour", {
      category: "platform",
      what: "control plane, four GiB",
      unit: "GiB hours",
      quantity: exactly(4 * hoursPerMonth),
    }),
    line(question, place, "engineer_month", {
      category: "people",
      what: "running it",
      unit: "engineer months",
      quantity: assumptions.engineers.value,
    }),
  ];
}

function complianceLine(
  lines: readonly CostLine[],
  assumptions: Assumptions,
  currency: Currency,
): CostLine[] {
  const uplift = assumptions.complianceUplift.value;
  if (uplift.high === 0) return [];
  const machines = sumCosts(
    lines.filter((entry) => entry.category !== "people").map((entry) => entry.cost),
    currency,
  );
  const cost = mapRange(machines, (amount, which) =>
    multiplyMoney(amount, toMillionths(uplift[which]), 1_000_000n),
  );
  return [
    {
      category: "compliance",
      what: "dedicated machines, monitoring, audits",
      unit: "of the machines",
      quantity: uplift,
      cost,
    },
  ];
}

function totals(lines: readonly CostLine[], { currency }: CostQuestion): CostBreakdown {
  const machines = lines.filter((entry) => entry.category !== "people");
  return {
    lines,
    infrastructure: sumCosts(
      machines.map((entry) => entry.cost),
      currency,
    ),
    total: sumCosts(
      lines.map((entry) => entry.cost),
      currency,
    ),
  };
}
