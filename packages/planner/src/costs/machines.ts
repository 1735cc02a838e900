import { type MigModel, migModels } from "@portolan/capacity/policy";
import { workloadOf } from "@portolan/charter/policy";
import { type Assumptions, hoursPerMonth } from "../assumptions.ts";
import { paidPerHourOfWork } from "../ownership/interruptions.ts";
import { scoresInBatchesAlone } from "../placement/workloads-asked.ts";
import { combine, exactly, mapRange, type Quantity, type Range, times } from "../range.ts";
import {
  type CostLine,
  type CostQuestion,
  costLine,
  gpuModels,
  isPriced,
  servingCards,
} from "./cost-line.ts";
import { coresAtCeiling, forCosts } from "./load.ts";
import { planRedundancy } from "./redundancy.ts";
import { inRegions } from "./regions.ts";
import { replicasFollowing } from "./starts.ts";

const gib = 2 ** 30;

export function trainingLines(question: CostQuestion, runs: Quantity): CostLine[] {
  const { assumptions, document, training, practice } = question;
  if (runs.high === 0) return [];
  const gpus = workloadOf(document).trainingGpus ?? 0;
  const paid = practice?.spotTraining ? spotHoursPaid(assumptions) : exactly(1);
  const hours = times(times(runs, assumptions.trainingHours.value), paid);
  const paying = practice?.spotTraining ? { pricing: "spot" as const } : {};
  const category = "training" as const;
  const on = practice?.spotTraining ? ", spot" : "";
  if (gpus > 0) {
    return [
      costLine(question, training, "gpu_hour", {
        category,
        what: `training on ${gpus} GPUs${on}`,
        unit: "GPU hours",
        quantity: times(hours, gpus),
        products: gpuModels,
        ...paying,
      }),
    ];
  }
  const cores = assumptions.trainingCores.value;
  return [
    costLine(question, training, "cpu_core_hour", {
      category,
      what: `training on ${cores.expected} cores${on}`,
      unit: "core hours",
      quantity: times(hours, cores),
      ...paying,
    }),
  ];
}

/** Hours that are paid on spot machines for one of work, checkpoints and lost work included (Young, Daly). */
export function spotHoursPaid(assumptions: Assumptions): Quantity {
  const { spotHoursBetweenInterruptions, spotCheckpointMinutes, spotRestartMinutes } = assumptions;
  return mapRange(forCosts(spotHoursBetweenInterruptions), (every, which) =>
    paidPerHourOfWork({
      every,
      checkpoint: spotCheckpointMinutes.value[which] / 60,
      restart: spotRestartMinutes.value[which] / 60,
    }),
  );
}

/** What answers, in replicas; the parts of one that are paid for. */
export interface ServingShape {
  /** At work: their mean over the month, where they follow the load. */
  readonly active: Quantity;
  readonly redundant: Quantity;
  readonly coresEach: Quantity;
  /** Of all, those that never stop. */
  readonly steady: Quantity;
}

export function servingShape(question: CostQuestion): ServingShape {
  const { assumptions, practice, document } = question;
  if (scoresInBatchesAlone(document))
    return { active: exactly(0), redundant: exactly(0), coresEach: exactly(1), steady: exactly(0) };
  // Each region carries the ceiling when the others are gone.
  const { needed: atCeiling, regions, beside: redundant } = planRedundancy(question);
  const coresEach = practice?.rightSized
    ? rising(
        combine(
          combine(coresAtCeiling(question), atCeiling, (cores, replicas) => cores / replicas),
          assumptions.leastCores.value,
          (part, least) => Math.min(1, Math.max(part, least)),
        ),
      )
    : exactly(1);
  if (!practice?.autoscaled) {
    const active = times(atCeiling, regions);
    return { active, redundant, coresEach, steady: combine(active, redundant, (a, b) => a + b) };
  }
  const active = times(replicasFollowing(question, atCeiling, regions), regions);
  return { active, redundant, coresEach, steady: combine(redundant, regions, (a, b) => a + b) };
}

/** A replica more makes each of them smaller: the dearer case takes no less than the cheaper one. */
function rising({ low, expected, high }: Quantity): Quantity {
  return { low, expected: Math.max(low, expected), high: Math.max(low, expected, high) };
}

/** A month of what answers in production. */
export function servingLines(question: CostQuestion): CostLine[] {
  const { active, redundant, coresEach, steady } = servingShape(question);
  const replicas = combine(active, redundant, (a, b) => a + b);
  if (replicas.high === 0) return [];
  const pricing = question.practice?.steady;
  const where = inRegions(question.assumptions);
  if (pricing === undefined)
    return machineLines(question, times(replicas, hoursPerMonth), coresEach, "on_demand", where);
  const kept = combine(steady, replicas, Math.min);
  const others = combine(replicas, kept, (a, b) => a - b);
  return [
    ...machineLines(question, times(kept, hoursPerMonth), coresEach, pricing, where),
    ...(others.high > 0
      ? machineLines(question, times(others, hoursPerMonth), coresEach, "on_demand", where)
      : []),
  ];
}

export function pocServingLines(question: CostQuestion, hours: Quantity): CostLine[] {
  return machineLines(question, hours, exactly(1), "on_demand");
}

type Pricing = "on_demand" | NonNullable<NonNullable<CostQuestion["practice"]>["steady"]>;

function machineLines(
  question: CostQuestion,
  replicaHours: Quantity,
  coresEach: Quantity,
  pricing: Pricing,
  where = "",
): CostLine[] {
  const { assumptions, inference, practice, book } = question;
  const memory = replicaGib(assumptions);
  const line = (resource: Resource, what: string, unit: string, quantity: Quantity) => {
    const products = resource === "gpu_hour" ? { products: servingCards(question) } : {};
    const asked = { resource, placement: inference, pricing: pricing as Exclude<Pricing, "on_demand"> };
    const isOnDemand =
      pricing === "on_demand" || !isPriced(question, book, { ...asked, products: products.products });
    return costLine(question, inference, resource, {
      category: "inference",
      what: `${what}${where}${isOnDemand ? "" : `, ${pricing.replace("_", " ")}`}`,
      unit,
      quantity,
      ...products,
      ...(isOnDemand ? {} : { pricing }),
    });
  };
  const lines = [
    line(
      "cpu_core_hour",
      `serving, ${practice?.rightSized ? "cores" : "one core"} a replica`,
      "core hours",
      times(replicaHours, coresEach),
    ),
    line("memory_gib_hour", "serving, memory", "GiB hours", times(replicaHours, memory)),
  ];
  if (!servesOnCards(question)) return lines;
  const slices = practice?.pooled ? sliceShare(assumptions) : undefined;
  return [
    ...lines,
    slices
      ? line(
          "gpu_hour",
          `serving on slices of GPUs (${slices.profile})`,
          "GPU hours",
          times(replicaHours, slices.share),
        )
      : line("gpu_hour", "serving on GPUs", "GPU hours", replicaHours),
  ];
}

type Resource = "cpu_core_hour" | "memory_gib_hour" | "gpu_hour";

/** Memory of a process that has the model. */
export function replicaGib({ modelBytes, modelCopies, runtimeGib }: Assumptions): Quantity {
  const models = combine(modelBytes.value, modelCopies.value, (bytes, copies) => (copies * bytes) / gib);
  return combine(runtimeGib.value, models, (runtime, loaded) => runtime + loaded);
}

/** Whether what answers has cards. */
export function servesOnCards({
  document,
  tier,
  assumptions: { modelBytes },
}: Pick<CostQuestion, "document" | "tier" | "assumptions">): boolean {
  if (scoresInBatchesAlone(document)) return false;
  return tier === "gpu" || (tier === "edge" && modelBytes.value.expected >= 1e8);
}

/** Cards that slices are of: an A100 of 80 GB; those of an H100 have no less memory. */
export const cutCardModel = modelOf("A100-80GB");

function modelOf(name: string): MigModel {
  const found = migModels.find((model) => model.name === name);
  if (found) return found;
  throw new Error(`no slices of ${name} are known`);
}

const profiles = cutCardModel.profiles
  .filter(({ hasMedia }) => !hasMedia)
  .map(({ name, computeSlices, memorySlices, memoryGib = 0 }) => ({
    name,
    compute: computeSlices / 7,
    memoryGib,
    // Who takes half of the memory leaves half of the card to others, whatever it computes.
    share: Math.max(computeSlices / 7, memorySlices / 8),
  }))
  .toSorted((a, b) => a.share - b.share);

/** The smallest slice of each case that has the memory and the compute; absent where none has. */
function sliceProfiles({ modelBytes, gpuMemoryFactor, gpuBusy }: Assumptions) {
  const needed = combine(modelBytes.value, gpuMemoryFactor.value, (bytes, factor) => (bytes * factor) / gib);
  return mapRange(needed, (memory, which) =>
    profiles.find(({ memoryGib, compute }) => memoryGib >= memory && compute >= gpuBusy.value[which]),
  );
}

/** Names of the slices that a replica takes, case by case; absent where it takes a whole card. */
export function sliceNames(assumptions: Assumptions): Range<string | undefined> {
  return mapRange(sliceProfiles(assumptions), (profile) =>
    profile?.share === 1 ? undefined : profile?.name,
  );
}

/** The part of a card that the smallest slice takes which has the memory and the compute; a whole card where none has. */
export function sliceShare(assumptions: Assumptions): { readonly profile: string; readonly share: Quantity } {
  const found = sliceProfiles(assumptions);
  const share = mapRange(forCosts(assumptions.migPacking), (packing, which) =>
    Math.min(1, (found[which]?.share ?? 1) / packing),
  );
  return { profile: found.expected?.name ?? "whole cards", share };
}
