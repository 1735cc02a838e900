import type { MigrationSet } from "@portolan/kernel";
import type { FastifyInstance } from "fastify";
import type { DecideDeps } from "./admission/decide-approval.ts";
import type { QuotaDeps } from "./quotas/keep-quotas.ts";
import { approvalRoutes } from "./routes/approval.ts";
import { idleRoutes } from "./routes/idle.ts";
import { queueRoutes } from "./routes/queue.ts";
import { quotaRoutes } from "./routes/quotas.ts";

export { createAdmissionQueue, type QueueDeps } from "./admission/admission-queue.ts";
export type { Availabilities, Spread } from "./availability/instances-up.ts";
export {
  assumedAvailabilities,
  type RedundancyAnswer,
  type RedundancyLayout,
  type RedundancyQuestion,
  redundancyFor,
} from "./availability/redundancy-for.ts";
export * from "./contract.ts";
export { type CapacityErrorCode, capacityErrors } from "./errors.ts";
export type { Scores } from "./forecast/backtest.ts";
export { type Forecast, forecastSeries } from "./forecast/forecast-series.ts";
export { durationText, readSeries, type Series } from "./forecast/read-series.ts";
export { type NoticedWork, noticedWork } from "./idle/noticed-work.ts";
export {
  countsOf,
  faultsOf,
  type Instance,
  type LayoutOptions,
  layouts,
  maximalLayouts,
  standing,
} from "./mig/layouts.ts";
export {
  type MigPartedFile,
  type MigPartedReading,
  readMigParted,
  writeMigParted,
} from "./mig/mig-parted.ts";
export { type MigModel, type MigProfile, migModels } from "./mig/models.ts";
export { type Need, type Packing, packInstances, profileOf, smallestProfile } from "./mig/pack.ts";
export { arrivals } from "./pool/arrivals.ts";
export { type Experiment, experiment, type PolicyName, policyNames, type Runs } from "./pool/experiment.ts";
export type { Machine, Pod } from "./pool/machines.ts";
export { comparePooling, type Pooling, type TeamUse, type Usage } from "./pool/pooling.ts";
export { readMachines, readPods, readUsage } from "./pool/read-trace.ts";
export { type Simulated, simulate } from "./pool/simulate.ts";
export type { ApprovalSize, ApprovalSizes, CardsAtWork, QuotaTenants, TeamNames } from "./ports.ts";
export {
  curveOfPercentiles,
  grownCurve,
  type LoadCurve,
  type LoadPercentile,
  mostUnits,
  readLoadCurve,
} from "./procurement/load-curve.ts";
export {
  type Band,
  type FixedWay,
  type FixedWayName,
  fixedWayNames,
  type Mix,
  type ProcurementAnswer,
  type ProcurementCosts,
  type ProcurementQuestion,
  priceMix,
  procure,
} from "./procurement/procure.ts";
export { amountText } from "./quota/amounts.ts";
export { type ClusterAmounts, checkQuotas, type QuotaSum, readCluster } from "./quota/check-quotas.ts";
export {
  decide,
  type QuotaDecision,
  type QuotaState,
  quotaState,
  type Turn,
  turn,
  type WaitReason,
} from "./quota/decide.ts";
export { readJobs, type TimedJob } from "./quota/read-jobs.ts";
export { type QuotaReading, readQuotas } from "./quota/read-quotas.ts";
export { type JobStory, simulateQuotas } from "./quota/simulate-quotas.ts";
export type { QuotaDeps } from "./quotas/keep-quotas.ts";
export type { ServiceTimes } from "./replicas/queue.ts";
export {
  type QueueFigures,
  type ReplicaAnswer,
  type ReplicaQuestion,
  replicasFor,
} from "./replicas/replicas-for.ts";
export { readSharing, type SharedResource, writeSharing } from "./sharing/device-plugin.ts";
export { misfits, packTurns, type SharedCard, type Sharer, type TurnPacking } from "./sharing/pack-turns.ts";

export {
  type Arrangement,
  type ArrangementQuestion,
  arrange,
  arrangements,
  type PricedTier,
  type TierName,
  tierNames,
} from "./storage/arrangements.ts";
export { assumedDriveBytes, assumedGpusPerNode, assumedTiers } from "./storage/assumed-tiers.ts";
export { type FeedAnswer, type FeedQuestion, feed, type StorageTier } from "./storage/feed.ts";

export { findWorkload } from "./workload-store.ts";

export const capacityMigrations: MigrationSet = {
  package: "capacity",
  directory: new URL("../migrations/", import.meta.url),
  after: [],
};

export interface CapacityRouteDeps {
  readonly quotas: QuotaDeps;
  readonly queue: DecideDeps;
}

export async function registerCapacityRoutes(
  app: FastifyInstance,
  { quotas, queue }: CapacityRouteDeps,
): Promise<void> {
  await app.register((scope) => quotaRoutes(scope, quotas));
  await app.register((scope) => queueRoutes(scope, queue));
  await app.register((scope) => approvalRoutes(scope, queue));
  await app.register((scope) => idleRoutes(scope, queue));
}
