export type { Allowed as AllowedRead } from "./access/access-plan.ts";
export type { DerivedRows, NamedRows, PolicedRows, SourcedColumn } from "./access/policed-rows.ts";
export type { RowsAccess } from "./access/rows-access.ts";
export {
  type AnalysisEngine,
  type AnalysisRequest,
  type AnalysisResult,
  type AnalysisRow,
  type AnalysisStatement,
  integerCell,
} from "./analysis.ts";
export type { ConnectionAddress } from "./connections/connection-addresses.ts";
export type { ContractColumn, DataContract } from "./contracts/contract-model.ts";
export type { DataClass } from "./data-class.ts";
export { columnScales, columnTypes } from "./datasets/column-types.ts";
export type {
  DirectPlace,
  ErasureScope,
  Finding,
  ObjectNames,
  RowMatch,
  RowObject,
  RowPlace,
  Succession,
  TextSearch,
  TrainedModel,
} from "./erasure/places.ts";
export type { ErasureReport, ErasureView } from "./erasure/report.ts";
export { hasWord } from "./erasure/word-pattern.ts";
export type { ContractObjectives } from "./health/contract-objectives.ts";
export type { AcceptedEvents, AcceptedHistory, AcceptedPlace, AcceptedRow, EarlyTaker } from "./ports.ts";
export type { ContractSummary, ContractView, DatasetManifest, IngestionView } from "./resources.ts";
export type { DecisionView } from "./routes/access.ts";
export type { ExpiredView, RetentionRound } from "./routes/retention.ts";
