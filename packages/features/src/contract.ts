export type {
  OnlineRow,
  OnlineStore,
  OnlineVector,
  OnlineViewHeader,
  OnlineViewKey,
  ValueStatus,
} from "./ports.ts";
export {
  MaterializationView,
  TrainingSetManifest,
  TrainingSetRequest,
  TrainingSetView,
} from "./resources.ts";
export { columnTypes, type FeatureView, viewReference, type WindowFeature } from "./view-model.ts";
