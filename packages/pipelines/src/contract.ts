/** What others may see of pipelines and their runs. */
export * from "./definition.ts";
export { folderMembers, PipelineFile } from "./pipeline-file.ts";
export * from "./pipeline-run.ts";
export { defaultRules, type StageKind, stageKinds, stageSchemas } from "./stages.ts";
