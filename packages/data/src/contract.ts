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
export type { DatasetManifest, IngestionView } from "./resources.ts";
