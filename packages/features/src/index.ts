import type { MigrationSet } from "@portolan/kernel";
import type { FastifyInstance } from "fastify";
import { featureViewRoutes, trainingSetRoutes } from "./routes/feature-views.ts";
import type { FeatureDeps } from "./views.ts";

export { featureRows } from "./access/feature-rows.ts";
export { onlinePurposes, type ReadView } from "./access/online-purposes.ts";
export { EarlyEvents } from "./early/early-events.ts";
export { featurePlaces, onlinePlace, onlineSearch } from "./erasure/feature-places.ts";
export { refoldPlace } from "./erasure/refold-place.ts";
export { featureErrors } from "./errors.ts";
export {
  loggedViews,
  onlineStates,
  type PlacedState,
  type PlacedValueState,
  valueStates,
} from "./events/online-states.ts";
export { featureFacts } from "./facts-store.ts";
export { followDataset, followLogJob, followQueue } from "./log/follow-datasets.ts";
export { findLogSegment } from "./log/log-store.ts";
export {
  applyEvents,
  materialize,
  materializeJob,
  materializeQueue,
  startMaterialization,
} from "./materializations.ts";
export type { OnlineRow, OnlineStore, OnlineVector, OnlineViewHeader } from "./ports.ts";
export { findDataset, findMaterialization, findTrainingSet, findView } from "./store.ts";
export { readTrainingSetColumns } from "./training-set-columns.ts";
export { trainingSetInputs } from "./training-set-inputs.ts";
export {
  readTrainingSet,
  startTrainingSet,
  trainingSetJob,
  trainingSetQueue,
} from "./training-sets.ts";
export { type FeatureDeps, publishView } from "./views.ts";

export const featuresMigrations: MigrationSet = {
  package: "features",
  directory: new URL("../migrations/", import.meta.url),
  after: ["data"],
};

export async function registerFeaturesRoutes(app: FastifyInstance, deps: FeatureDeps): Promise<void> {
  await app.register((scope) => featureViewRoutes(scope, deps));
  await app.register((scope) => trainingSetRoutes(scope, deps));
}
