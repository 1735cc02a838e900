// Pure: what other domains may reckon with.

export { opensAt, untilWindow } from "./admission/job-window.ts";
export {
  assumedAvailabilities,
  type RedundancyAnswer,
  redundancyFor,
} from "./availability/redundancy-for.ts";
export { standing } from "./mig/layouts.ts";
export { type MigModel, migModels } from "./mig/models.ts";
export { packInstances } from "./mig/pack.ts";
export { filledBatch } from "./replicas/queue.ts";
export { replicasFor } from "./replicas/replicas-for.ts";
export { type TierName, tierNames } from "./storage/arrangements.ts";
export { assumedDriveBytes, assumedGpusPerNode, assumedTiers } from "./storage/assumed-tiers.ts";
