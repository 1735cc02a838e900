import type { CharterDocument } from "@portolan/charter/contract";
import { termsOf, workloadOf } from "@portolan/charter/policy";
import { providerElimination } from "./placement/provider-elimination.ts";
import { type Placement, type PriceBook, type PricedResource, placements } from "./price-book.ts";

/** `inference` is what answers while somebody waits. */
export type PlannedWorkload = "training" | "inference" | "fine_tuning" | "batch_inference" | "retrieval";

export interface PlacementCandidate {
  readonly placement: Placement;
  /** Empty: it may be used. */
  readonly eliminatedBy: readonly { readonly pointer: string; readonly reason: string }[];
}

export interface PlacementChoice {
  readonly workload: PlannedWorkload;
  readonly candidates: readonly PlacementCandidate[];
  /** Absent when the charter excludes every place. */
  readonly chosen?: Placement;
  readonly because: string;
}

/** Defaults of the articles: round trips to a cloud take 20 to 30 ms, sensors of a line give terabytes a day. */
export const placementThresholds = {
  cloudFromP99Ms: 51,
  edgeFromDailyBytes: 1e12,
  /** From here own machines pay for themselves in 12 to 18 months, say the articles. */
  ownFromDailyRequests: 1e6,
} as const;

/** Prices that cloud machines must have, with what the workload runs on. */
export interface PlacementPrices {
  readonly book: PriceBook;
  readonly resource: PricedResource;
}

/**
 * Where each workload may run: what every line of the charter eliminates, and what is taken of the rest. Pure.
 *
 * @param prices absent: sellers of cloud machines are not looked at
 */
export function choosePlacement(
  document: CharterDocument,
  workload: PlannedWorkload,
  prices?: PlacementPrices,
): PlacementChoice {
  const candidates = placements.map((placement) => ({
    placement,
    eliminatedBy: [
      ...eliminations(document, workload, placement),
      ...(placement === "cloud" && prices ? providerElimination(document, workload, prices) : []),
    ],
  }));
  const left = candidates
    .filter((candidate) => candidate.eliminatedBy.length === 0)
    .map(({ placement }) => placement);
  const [order, because] = preference(document, workload);
  const chosen = order.find((placement) => left.includes(placement));
  return chosen === undefined
    ? { workload, candidates, because: "the charter excludes every place" }
    : { workload, candidates, chosen, because: because + exclusionText(order, chosen) };
}

/** A preference that the charter excludes is said to be one: what is left was not preferred. */
function exclusionText(order: readonly Placement[], chosen: Placement): string {
  const before = order.slice(0, order.indexOf(chosen));
  return before.length === 0
    ? ""
    : `; ${before.join(" and ")} would come first, and the charter excludes ${before.length === 1 ? "it" : "them"}`;
}

type Elimination = PlacementCandidate["eliminatedBy"][number];

function eliminations(
  document: CharterDocument,
  workload: PlannedWorkload,
  placement: Placement,
): Elimination[] {
  const found: Elimination[] = [];
  const { regions, owners } = document.nonNegotiables.residency;
  const add = (pointer: string, reason: string) => found.push({ pointer, reason });
  const needsSelf = placement !== "cloud";
  if (placement === "local" && !regions.includes("local")) {
    add("/nonNegotiables/residency/regions", "data stays in regions that this machine is not in");
  }
  if (placement !== "local" && regions.every((region) => region === "local")) {
    add("/nonNegotiables/residency/regions", "data stays on this machine");
  }
  if (needsSelf && owners && !owners.includes("self"))
    add("/nonNegotiables/residency/owners", "own machines are excluded");
  if (placement === "cloud" && owners?.every((owner) => owner === "self")) {
    add("/nonNegotiables/residency/owners", "only own machines may hold the data");
  }
  if (placement === "cloud" && !owners && document.riskTolerance.dataSovereignty === "strict") {
    add("/riskTolerance/dataSovereignty", "sovereignty is strict");
  }
  if (workload === "inference" || workload === "retrieval")
    found.push(...inferenceEliminations(document, placement));
  if (isTraining(workload) && placement === "edge")
    add("/model/trainer", "training does not run beside the machine");
  if (workload === "batch_inference") found.push(...batchEliminations(document, placement));
  return found;
}

function isTraining(workload: PlannedWorkload): boolean {
  return workload === "training" || workload === "fine_tuning";
}

function batchEliminations(document: CharterDocument, placement: Placement): Elimination[] {
  if (placement === "edge")
    return [{ pointer: "/workload", reason: "it reads what many machines send, in one place" }];
  const isTooMuch = (workloadOf(document).dailyDataBytes ?? 0) >= placementThresholds.edgeFromDailyBytes;
  return placement === "cloud" && isTooMuch
    ? [{ pointer: "/workload/dailyDataVolume", reason: "so much data cannot be sent away" }]
    : [];
}

function inferenceEliminations(document: CharterDocument, placement: Placement): Elimination[] {
  const { latencyMsP99 } = termsOf(document);
  const { disconnected, dailyDataBytes } = workloadOf(document);
  const found: Elimination[] = [];
  if (placement === "cloud" && latencyMsP99 < placementThresholds.cloudFromP99Ms) {
    found.push({ pointer: "/requirements/latency/p99", reason: "a round trip takes 20 to 30 ms of it" });
  }
  if (disconnected && placement !== "edge") {
    found.push({
      pointer: "/workload/disconnected",
      reason: "the answer is needed while the network is down",
    });
  }
  if ((dailyDataBytes ?? 0) >= placementThresholds.edgeFromDailyBytes && placement === "cloud") {
    found.push({ pointer: "/workload/dailyDataVolume", reason: "so much data cannot be sent away" });
  }
  if (
    placement === "edge" &&
    !disconnected &&
    (dailyDataBytes ?? 0) < placementThresholds.edgeFromDailyBytes
  ) {
    found.push({ pointer: "/workload", reason: "nothing asks for it: connected, and little data arises" });
  }
  return found;
}

function preference(document: CharterDocument, workload: PlannedWorkload): [Placement[], string] {
  const { buildOrBuy } = document.riskTolerance;
  const { disconnected, averageRequestsPerSecond } = workloadOf(document);
  if ((workload === "inference" || workload === "retrieval") && disconnected)
    return [["edge"], "it answers without a network"];
  if (isTraining(workload) && buildOrBuy !== "build") {
    return [["cloud", "on_prem", "local"], "training comes in bursts, which are rented"];
  }
  if (buildOrBuy === "buy")
    return [["cloud", "on_prem", "local", "edge"], "the team buys rather than builds"];
  const daily = (averageRequestsPerSecond ?? 0) * 86_400;
  if (buildOrBuy === "either" && daily >= placementThresholds.ownFromDailyRequests) {
    return [["on_prem", "local", "cloud", "edge"], "a million requests a day and more pay for own machines"];
  }
  if (buildOrBuy === "either")
    return [["cloud", "on_prem", "local", "edge"], "nothing speaks against renting"];
  return [["local", "on_prem", "cloud", "edge"], "the team builds on its own machines"];
}
