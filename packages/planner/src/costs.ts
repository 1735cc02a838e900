import { termsOf } from "@portolan/charter/policy";
import { type Currency, multiplyMoney } from "@portolan/kernel";
import { type Assumptions, hoursPerMonth } from "./assumptions.ts";
import { type CostBreakdown, type CostLine, type CostQuestion, costLine } from "./costs/cost-line.ts";
import { pocServingLines, servingLines, trainingLines } from "./costs/machines.ts";
import { inRegions, replicationLines } from "./costs/regions.ts";
import { apartLines } from "./costs/workloads.ts";
import { combine, exactly, mapRange, type Quantity, sumCosts, times, toMillionths } from "./range.ts";

export {
  type CostBreakdown,
  type CostCategory,
  type CostLine,
  type CostQuestion,
  costCategories,
} from "./costs/cost-line.ts";

const secondsPerMonth = hoursPerMonth * 3600;
const daysPerMonth = 30;

/** What the use case costs in a month of production, once the log has its full length. */
export function productionCosts(question: CostQuestion): CostBreakdown {
  const { assumptions, document } = question;
  const terms = termsOf(document);
  const lines = [
    ...trainingLines(question, assumptions.trainingRunsPerMonth.value),
    ...servingLines(question),
    ...apartLines(question),
    ...storageLines(
      question,
      assumptions.averageRequestsPerSecond.value,
      terms.retentionMs / 86_400_000 / daysPerMonth,
    ),
    ...egressLines(question, assumptions.averageRequestsPerSecond.value),
    ...platformLines(question),
  ];
  return withCompliance(lines, question);
}

/** Lines of machines and people, with what compliance adds to them. */
export function withCompliance(lines: readonly CostLine[], question: CostQuestion): CostBreakdown {
  return totals([...lines, ...complianceLine(lines, question.assumptions, question.currency)], question);
}

/** What the proof of concept costs: one replica in working hours, a hundredth of the load, no redundancy, no audit. */
export function pocCosts(question: CostQuestion): CostBreakdown {
  const { averageRequestsPerSecond, pocLoad, pocHours } = question.assumptions;
  const load = times(averageRequestsPerSecond.value, pocLoad.value);
  return totals(
    [
      ...trainingLines(question, exactly(question.document.model.trainer === undefined ? 0 : 1)),
      ...pocServingLines(question, pocHours.value),
      ...storageLines(inOneRegion(question), load, 1),
    ],
    question,
  );
}

/** A proof of concept has no second copy. */
function inOneRegion(question: CostQuestion): CostQuestion {
  const { assumptions } = question;
  const servingRegions = { ...assumptions.servingRegions, value: exactly(1) };
  return { ...question, assumptions: { ...assumptions, servingRegions } };
}

function storageLines(question: CostQuestion, load: Quantity, months: number): CostLine[] {
  const { assumptions, inference, training } = question;
  const raw = times(times(load, assumptions.recordBytes.value), secondsPerMonth / 1e9);
  const regions = assumptions.servingRegions.value;
  const monthly = times(raw, assumptions.compression.value);
  const log = times(times(monthly, months), regions);
  const category = "storage" as const;
  const unit = "GB months";
  const sets = combine(
    assumptions.trainingDataBytes.value,
    assumptions.trainingRunsPerMonth.value,
    (bytes, runs) => (bytes / 1e9) * Math.max(1, Math.min(runs, 3)),
  );
  return [
    costLine(question, inference, "storage_gb_month", {
      category,
      what: `prediction log, ${Number(months.toFixed(1))} months kept${inRegions(assumptions)}`,
      unit,
      quantity: log,
    }),
    costLine(question, training, "storage_gb_month", {
      category,
      what: "training sets",
      forTraining: true,
      unit,
      quantity: sets,
    }),
  ];
}

/** Answers that leave the cloud, and what its regions send each other. */
function egressLines(question: CostQuestion, load: Quantity): CostLine[] {
  if (question.inference !== "cloud") return [];
  const { recordBytes, compression } = question.assumptions;
  const log = times(times(times(load, recordBytes.value), compression.value), secondsPerMonth);
  const quantity = times(times(load, question.assumptions.answerBytes.value), secondsPerMonth / 1e9);
  return [
    costLine(question, "cloud", "egress_gb", {
      category: "egress",
      what: "answers leaving the cloud",
      unit: "GB",
      quantity,
    }),
    ...replicationLines(question, log),
  ];
}

/** The share of control plane, database and monitoring, around the clock. */
function platformLines(question: CostQuestion): CostLine[] {
  const { inference, training, assumptions } = question;
  // Beside a device it has no place.
  const forTraining = inference === "edge";
  const place = forTraining ? training : inference;
  const cores = assumptions.platformCores.value.expected;
  const memory = assumptions.platformGib.value.expected;
  const regions = assumptions.servingRegions.value;
  const where = inRegions(assumptions);
  return [
    costLine(question, place, "cpu_core_hour", {
      category: "platform",
      what: `control plane, ${cores} cores${where}`,
      forTraining,
      unit: "core hours",
      quantity: times(times(assumptions.platformCores.value, regions), hoursPerMonth),
    }),
    costLine(question, place, "memory_gib_hour", {
      category: "platform",
      what: `control plane, ${memory} GiB${where}`,
      forTraining,
      unit: "GiB hours",
      quantity: times(times(assumptions.platformGib.value, regions), hoursPerMonth),
    }),
    costLine(question, place, "engineer_month", {
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
