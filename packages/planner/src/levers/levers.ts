import { termsOf } from "@portolan/charter/policy";
import type { Assumption, Assumptions, Measurements } from "../assumptions.ts";
import type { AssumptionKey } from "../costs/assumption-catalogue.ts";
import {
  bookFor,
  type CostQuestion,
  gpuModels,
  isPriced,
  type Practice,
  servingCards,
} from "../costs/cost-line.ts";
import { servesOnCards, servingShape, sliceShare } from "../costs/machines.ts";
import { batchesOnCards, retrievalPlace } from "../costs/workloads.ts";
import { scoresInBatchesAlone } from "../placement/workloads-asked.ts";
import { combine, exactly, type Quantity, times } from "../range.ts";
import { chooseTier, tierThresholds } from "../tier.ts";

/** What a plan can be changed in without changing what the charter promises. */
export const leverNames = [
  "quantisation",
  "cpu_inference",
  "mig_pooling",
  "right_sizing",
  "autoscaling",
  "spot_training",
  "reserved_steady",
] as const;
export type LeverName = (typeof leverNames)[number];

/** A plan's question with what levers need to know beside it. */
export interface LeverQuestion {
  readonly question: CostQuestion;
  readonly measured: Measurements;
}

/** What the plan is asked with the lever on, or why it cannot be. */
export type Pulled =
  | { readonly kind: "on"; readonly asked: LeverQuestion; readonly how: string }
  | { readonly kind: "off"; readonly why: string };

export interface LeverKind {
  readonly name: LeverName;
  readonly title: string;
  /** Figures that nothing but the lever rests on. */
  readonly assumptions: readonly AssumptionKey[];
  readonly pull: (asked: LeverQuestion) => Pulled;
}

/** Where nobody waits for an answer there is nothing to run better. */
export const noReplicas = "nobody waits for an answer, so no replica runs beside the batches";

const off = (why: string): Pulled => ({ kind: "off", why });

export const leverKinds: readonly LeverKind[] = [
  {
    name: "quantisation",
    title: "quantisation",
    assumptions: ["quantisedSize", "quantisedTime"],
    pull: quantise,
  },
  {
    name: "cpu_inference",
    title: "answers from CPUs",
    assumptions: ["cpuMsPerGb"],
    pull: answerFromCpus,
  },
  {
    name: "mig_pooling",
    title: "cards shared by slices (MIG)",
    assumptions: ["gpuBusy", "gpuMemoryFactor", "migPacking"],
    pull: pool,
  },
  { name: "right_sizing", title: "right-sizing", assumptions: ["leastCores"], pull: rightSize },
  {
    name: "autoscaling",
    title: "replicas follow the load",
    assumptions: ["autoscalingFill", "coldStartSeconds", "rampMinutes"],
    pull: autoscale,
  },
  {
    name: "spot_training",
    title: "training on spot machines",
    assumptions: ["spotHoursBetweenInterruptions", "spotCheckpointMinutes", "spotRestartMinutes"],
    pull: trainOnSpot,
  },
  { name: "reserved_steady", title: "the steady part reserved for a year", assumptions: [], pull: reserve },
];

/** A smaller model takes less memory and time, and the tier is chosen again. */
function quantise({ question, measured }: LeverQuestion): Pulled {
  const { assumptions, document, inference } = question;
  const bytes = assumptions.modelBytes.value.expected;
  if (bytes < tierThresholds.cpuBelowModelBytes) {
    return off(
      `a model of ${sizeOf(bytes)} is a tree model or a small network: its weights are not what is paid for`,
    );
  }
  const faster = (of: Assumption) => derived(of, times(of.value, assumptions.quantisedTime.value));
  const changed = {
    ...assumptions,
    modelBytes: derived(
      assumptions.modelBytes,
      times(assumptions.modelBytes.value, assumptions.quantisedSize.value),
    ),
    cpuMsPerPrediction: faster(assumptions.cpuMsPerPrediction),
  };
  const apart = {
    ...changed,
    batchMsPerRow: faster(assumptions.batchMsPerRow),
    cardBatchMs: faster(assumptions.cardBatchMs),
    cardRequestMs: faster(assumptions.cardRequestMs),
  };
  const { cpuLatencyMsP95 } = measured;
  const known =
    cpuLatencyMsP95 === undefined
      ? measured
      : { ...measured, cpuLatencyMsP95: cpuLatencyMsP95 * assumptions.quantisedTime.value.expected };
  // A plan that already answers from CPUs stays there.
  const tier = question.tier === "gpu" ? chooseTier(document, changed, known, inference).tier : question.tier;
  return {
    kind: "on",
    asked: {
      question: {
        ...question,
        assumptions: apart,
        tier,
        // The time of a row is that of a card there; a smaller model does not make it that of a core.
        practice: { ...question.practice, batchOnCards: batchesOnCards(question) },
      },
      measured: known,
    },
    how: `${sizeOf(bytes)} become ${sizeOf(changed.modelBytes.value.expected)}${tier === question.tier ? "" : ", and a CPU answers"}; accuracy has to be evaluated again (portolan model quantize)`,
  };
}

function answerFromCpus({ question, measured }: LeverQuestion): Pulled {
  const { assumptions, document, tier } = question;
  if (scoresInBatchesAlone(document)) return off(noReplicas);
  if (tier !== "gpu")
    return off(tier === "cpu" ? "CPUs answer already" : "the device beside the machine answers");
  const { latencyMsP95, latencyClass } = termsOf(document);
  const perGb = times(times(assumptions.modelBytes.value, 1e-9), assumptions.cpuMsPerGb.value);
  const takes =
    measured.cpuLatencyMsP95 === undefined
      ? combine(perGb, assumptions.cpuMsPerPrediction.value, Math.max)
      : exactly(measured.cpuLatencyMsP95);
  const words = `a prediction takes ${measured.cpuLatencyMsP95 === undefined ? "about " : ""}${msOf(takes.expected)} of a core${measured.cpuLatencyMsP95 === undefined ? "" : " (measured)"}`;
  if (latencyClass !== "batch" && takes.expected > latencyMsP95)
    return off(`${words}, and the charter promises ${msOf(latencyMsP95)} at p95`);
  const cpuMsPerPrediction = derived(assumptions.cpuMsPerPrediction, takes);
  return {
    kind: "on",
    asked: {
      question: { ...question, tier: "cpu", assumptions: { ...assumptions, cpuMsPerPrediction } },
      measured,
    },
    how: `${words}, within ${latencyClass === "batch" ? "a batch" : msOf(latencyMsP95)}; measure it (portolan model profile)`,
  };
}

function pool(asked: LeverQuestion): Pulled {
  const { assumptions, tier, inference, book } = asked.question;
  if (tier === "edge") return off("what answers is a device of its own");
  if (!servesOnCards(asked.question)) return off("no card answers");
  const { profile, share } = sliceShare(assumptions);
  if (share.low >= 1) return off("the model takes a whole card");
  if (!isPriced(asked.question, book, { resource: "gpu_hour", placement: inference, products: gpuModels }))
    return off(missing("gpu_hour", inference, "on_demand", gpuModels));
  return on(
    asked,
    { pooled: true },
    `each replica has a slice (${profile}) of a card of the pool: ${Number(share.expected.toPrecision(2))} of a card`,
  );
}

function rightSize(asked: LeverQuestion): Pulled {
  if (scoresInBatchesAlone(asked.question.document)) return off(noReplicas);
  const { coresEach } = servingShape(withPractice(asked, { rightSized: true }).question);
  return coresEach.low >= 1
    ? off("every replica fills its core at the ceiling")
    : on(
        asked,
        { rightSized: true },
        `a replica asks for ${Number(coresEach.expected.toPrecision(2))} of a core in the place of one`,
      );
}

function autoscale(asked: LeverQuestion): Pulled {
  if (scoresInBatchesAlone(asked.question.document)) return off(noReplicas);
  const { inference, assumptions } = asked.question;
  if (inference !== "cloud")
    return off("own machines are paid for whether they work or not: scaling makes room, and saves nothing");
  const now = servingShape(asked.question);
  if (now.active.high <= assumptions.servingRegions.value.high)
    return off("one replica carries the ceiling: there is nothing to stop");
  const followed = servingShape(withPractice(asked, { autoscaled: true }).question);
  if (followed.active.low >= now.active.low && followed.active.high >= now.active.high)
    return off("what comes, and what comes while a replica starts, keeps all of them at work");
  const { coldStartSeconds, rampMinutes } = assumptions;
  return on(
    asked,
    { autoscaled: true },
    `${Number(followed.active.expected.toPrecision(3))} replicas are at work on average in the place of ${now.active.expected}, ready for what comes while one more starts (${Number(coldStartSeconds.value.expected.toPrecision(3))} s, the ceiling within ${Number(rampMinutes.value.expected.toPrecision(3))} min); the redundant ones stay`,
  );
}

export function trainOnSpot(asked: LeverQuestion): Pulled {
  const { assumptions, training, document } = asked.question;
  const book = bookFor(asked.question, "training");
  if (assumptions.trainingRunsPerMonth.value.high === 0) return off("nothing is trained");
  if (training !== "cloud") return off("training is on own machines, which nobody takes away");
  const isOnCards = (document.workload?.trainingGpus ?? 0) > 0;
  const resource = isOnCards ? "gpu_hour" : "cpu_core_hour";
  const products = isOnCards ? gpuModels : undefined;
  if (!isPriced(asked.question, book, { resource, placement: training, products, pricing: "spot" }))
    return off(missing(resource, training, "spot", products));
  return on(
    asked,
    { spotTraining: true },
    "runs save checkpoints and go on after an interruption: lost work and restarts are paid for, too",
  );
}

function reserve(asked: LeverQuestion): Pulled {
  return reservedFor(asked, "reserved_1y");
}

/** The replicas that run all month, paid for one or three years. */
export function reservedFor(asked: LeverQuestion, pricing: "reserved_1y" | "reserved_3y"): Pulled {
  const { question } = asked;
  const { inference, book } = question;
  const isAlone = scoresInBatchesAlone(question.document);
  const isServed = inference === "cloud" && !isAlone;
  const isSearched = retrievalPlace(question) === "cloud";
  if (isAlone && !isSearched) return off("nothing runs all month: batches have machines while they run");
  if (!isServed && !isSearched) return off("own machines are not reserved from anybody");
  const needed = [
    ...(isServed && servesOnCards(question)
      ? [{ resource: "gpu_hour" as const, products: servingCards(question) }]
      : []),
    ...(isSearched || !servesOnCards(question)
      ? [{ resource: "cpu_core_hour" as const }, { resource: "memory_gib_hour" as const }]
      : []),
  ];
  const lacking = needed.filter((one) => !isPriced(question, book, { ...one, placement: "cloud", pricing }));
  const [first] = lacking;
  if (first && lacking.length === needed.length)
    return off(missing(first.resource, "cloud", pricing, "products" in first ? first.products : undefined));
  const { steady } = servingShape(question);
  return on(
    asked,
    { steady: pricing },
    `${isServed ? `${steady.expected} replicas that never stop` : "cores that search"} are paid for around the clock, whether they are needed or not`,
  );
}

function on(asked: LeverQuestion, practice: Practice, how: string): Pulled {
  return { kind: "on", asked: withPractice(asked, practice), how };
}

function withPractice({ question, measured }: LeverQuestion, practice: Practice): LeverQuestion {
  return { question: { ...question, practice: { ...question.practice, ...practice } }, measured };
}

/** A price that nobody has stated is named, and never guessed. */
function missing(resource: string, placement: string, pricing: string, products?: readonly string[]): string {
  const what = [resource, ...(products ? [`(${products.join(", ")})`] : []), `for ${placement}`];
  return `price missing: the price book has no ${what.join(" ")}, ${pricing.replace("_", " ")}; add a record with its source to a file of your own (--prices)`;
}

function derived(from: Assumption, value: Quantity): Assumption {
  return { ...from, value };
}

/** Figures of one lever at their best, as expected, or at their worst, and all others as they are. */
export function withCase(
  assumptions: Assumptions,
  keys: readonly AssumptionKey[],
  valueOf: (assumption: Assumption) => number,
): Assumptions {
  return {
    ...assumptions,
    ...Object.fromEntries(
      keys.map((key) => [key, derived(assumptions[key], exactly(valueOf(assumptions[key])))]),
    ),
  };
}

function sizeOf(bytes: number): string {
  const [unit, by] = bytes >= 1e9 ? (["GB", 1e9] as const) : (["MB", 1e6] as const);
  return `${Number((bytes / by).toPrecision(3))} ${unit}`;
}

function msOf(ms: number): string {
  return `${Number(ms.toPrecision(3))} ms`;
}
