/** What others may see of retrainings. */
export { RetrainingReport } from "./report-schema.ts";
export * from "./retraining-schema.ts";
