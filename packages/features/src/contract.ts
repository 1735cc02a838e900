export type { EarlyLine } from "./early/early-line.ts";
export type { LogRecord } from "./log/log-record.ts";
export type { OnDemandPlan, RequestField } from "./on-demand/on-demand-model.ts";
export type {
  AcceptedRange,
  CellStatus,
  ColumnsQuestion,
  EarlyValues,
  EntityPart,
  FoldPosition,
  LogFold,
  OnlineColumns,
  OnlineQuestion,
  OnlineReader,
  OnlineRecord,
  OnlineRow,
  OnlineState,
  OnlineStore,
  OnlineVector,
  OnlineViewHeader,
  OnlineViewKey,
  ValueState,
  ValueStatus,
} from "./ports.ts";
export {
  FeatureViewResource,
  FeatureViewSummary,
  MaterializationView,
  TrainingSetManifest,
  TrainingSetRequest,
  TrainingSetSummary,
  TrainingSetView,
} from "./resources.ts";
export {
  type FeatureView,
  featureNamesOf,
  hasLog,
  isValueView,
  onDemandPlanOf,
  textNamesOf,
  type ValueFeature,
  viewReference,
  type WindowFeature,
} from "./view-model.ts";
