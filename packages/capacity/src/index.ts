export type { Availabilities, Spread } from "./availability/instances-up.ts";
export {
  assumedAvailabilities,
  type RedundancyAnswer,
  type RedundancyLayout,
  type RedundancyQuestion,
  redundancyFor,
} from "./availability/redundancy-for.ts";
export { type CapacityErrorCode, capacityErrors } from "./errors.ts";
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
export {
  curveOfPercentiles,
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
export type { ServiceTimes } from "./replicas/queue.ts";
export {
  type QueueFigures,
  type ReplicaAnswer,
  type ReplicaQuestion,
  replicasFor,
} from "./replicas/replicas-for.ts";
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
