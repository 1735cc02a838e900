export { type Adoption, adoptPickle, adoptProgram, parseProgram } from "./adopt.ts";
export { type AdoptionErrorCode, adoptionErrors } from "./errors.ts";
export { largestSourceBytes, type ProgramSource, readNotebook, readScript } from "./notebook.ts";
export { openPickle } from "./pickle.ts";
export type {
  LoadedProbe,
  ModelTrial,
  ProbeInput,
  WalledOutput,
  WalledPrograms,
  WalledTask,
} from "./ports.ts";
export { type ColumnSummary, draftContract } from "./project/contract.ts";
export { projectFiles, projectName } from "./project/project.ts";
export { adoptionReport } from "./report.ts";
