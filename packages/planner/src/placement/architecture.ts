import type { CharterDocument } from "@portolan/charter/contract";
import { termsOf, workloadOf } from "@portolan/charter/policy";
import { type Assumptions, assumptionsOf, type Measurements } from "../assumptions.ts";
import { choosePlacement, type PlacementChoice, type PlannedWorkload } from "../placement-choice.ts";
import type { Placement, PriceBook } from "../price-book.ts";
import { batchTier, chooseTier, type TierChoice } from "../tier.ts";
import { type FineExposure, fineExposure } from "./exposure.ts";
import { choosePipeline, type PipelineChoice } from "./pipeline.ts";
import { scoresInBatchesAlone, workloadsAsked } from "./workloads-asked.ts";

export const workloadKinds = [
  "training",
  "fine_tuning",
  "inference",
  "batch_inference",
  "retrieval",
] as const satisfies readonly PlannedWorkload[];

/** Several places together have a name; `nowhere`: a workload that is asked for has none. */
export const architectureStyles = [
  "cloud",
  "on_premises",
  "local",
  "edge",
  "hybrid",
  "hybrid_edge",
  "nowhere",
] as const;
export type ArchitectureStyle = (typeof architectureStyles)[number];

export interface PlacedWorkload {
  readonly workload: PlannedWorkload;
  /** Whether the charter has it: only these make the architecture. */
  readonly asked: boolean;
  readonly choice: PlacementChoice;
  readonly tier: TierChoice;
}

export interface Architecture {
  readonly style: ArchitectureStyle;
  readonly workloads: readonly PlacedWorkload[];
  /** What is accepted with it. */
  readonly tradeOffs: readonly string[];
  readonly pipeline: PipelineChoice;
  readonly exposure: readonly FineExposure[];
  /** Of training and of what answers, or scores in batches where nothing else does, for the costs. */
  readonly choices: { readonly training: PlacementChoice; readonly inference: PlacementChoice };
}

/** The three questions answered for every workload, by rules: nothing here knows an industry. Pure. */
export function planArchitecture(
  document: CharterDocument,
  book: PriceBook,
  measured: Measurements = {},
  assumptions: Assumptions = assumptionsOf(document, measured),
): Architecture {
  const asked = workloadsAsked(document);
  const place = (workload: PlannedWorkload): PlacedWorkload => {
    // The tier says what is bought in the cloud; whether it is edge is known once the place is.
    const tier = (at: Placement | undefined) => tierOf(document, measured, assumptions, workload, at);
    const resource = tier("cloud").tier === "gpu" ? "gpu_hour" : "cpu_core_hour";
    const choice = choosePlacement(document, workload, { book, resource });
    return {
      workload,
      asked: asked.includes(workload),
      choice,
      tier: tier(choice.chosen),
    };
  };
  const workloads = workloadKinds.map(place);
  const style = styleOf(workloads.filter((one) => one.asked).map(({ choice }) => choice.chosen));
  const choiceOf = (workload: PlannedWorkload) =>
    workloads.find((one) => one.workload === workload)?.choice ?? choosePlacement(document, workload);
  return {
    style,
    workloads,
    tradeOffs: tradeOffsOf(document, style),
    pipeline: choosePipeline(document),
    exposure: fineExposure(document, book),
    choices: {
      training: choiceOf("training"),
      inference: choiceOf(scoresInBatchesAlone(document) ? "batch_inference" : "inference"),
    },
  };
}

function tierOf(
  document: CharterDocument,
  measured: Measurements,
  assumptions: Assumptions,
  workload: PlannedWorkload,
  placement: Placement | undefined,
): TierChoice {
  switch (workload) {
    case "training": {
      const gpus = workloadOf(document).trainingGpus ?? 0;
      return gpus > 0
        ? { tier: "gpu", reasons: [`a run asks for ${gpus} GPUs`] }
        : { tier: "cpu", reasons: ["a run asks for no GPU"] };
    }
    case "fine_tuning":
      return { tier: "gpu", reasons: ["a large model is trained further"] };
    case "retrieval":
      return placement === "edge"
        ? { tier: "edge", reasons: ["it lies beside the prediction"] }
        : { tier: "cpu", reasons: ["looking values up takes no GPU"] };
    case "batch_inference":
      return batchTier(assumptions);
    case "inference":
      return chooseTier(document, assumptions, measured, placement);
  }
}

export function styleOf(places: readonly (Placement | undefined)[]): ArchitectureStyle {
  const all = new Set(places);
  if (all.has(undefined) || all.size === 0) return "nowhere";
  if (all.has("edge")) return all.size === 1 ? "edge" : "hybrid_edge";
  if (all.has("cloud")) return all.size === 1 ? "cloud" : "hybrid";
  return all.has("on_prem") ? "on_premises" : "local";
}

const accepted: Readonly<Record<ArchitectureStyle, readonly string[]>> = {
  cloud: ["data lies on somebody else's machines, and what leaves them is paid for"],
  on_premises: [
    "the first answer in production takes longer: machines are bought, and security and compliance look at them (18 months in the articles)",
    "capital up front, and a team that keeps the machines",
  ],
  local: ["one machine: nothing takes over when it fails"],
  edge: ["every device is deployed, watched and secured for itself"],
  hybrid: ["two environments: two pipelines of deployment, two sets of credentials, two security reviews"],
  hybrid_edge: ["three kinds of places: deployment, monitoring and security differ in each"],
  nowhere: [],
};

function tradeOffsOf(document: CharterDocument, style: ArchitectureStyle): string[] {
  const { riskTolerance } = document;
  const usesCloud = style === "cloud" || style === "hybrid";
  const buysMachines = style !== "cloud" && style !== "local" && style !== "nowhere";
  return [
    ...accepted[style],
    ...(usesCloud && riskTolerance.lockIn === "accept"
      ? ["the provider's interfaces are depended on: leaving takes a rewrite"]
      : []),
    ...(usesCloud && riskTolerance.lockIn === "avoid"
      ? ["portable containers and formats only: the provider's own services are not used"]
      : []),
    ...(buysMachines && riskTolerance.buildOrBuy === "buy"
      ? ["the team buys rather than builds, and the constraints leave own machines: somebody has to run them"]
      : []),
    ...(buysMachines && termsOf(document).availability >= 0.999
      ? [
          `${document.requirements.availability} on own machines is yours to keep: nobody's SLA stands behind it`,
        ]
      : []),
    ...(buysMachines
      ? [
          `in six months: "${document.successInSixMonths}" holds only on machines that are there; start with those, and buy what use has shown`,
        ]
      : []),
  ];
}
