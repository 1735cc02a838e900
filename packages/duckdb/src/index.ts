export { createDuckDbEngine, type DuckDbLimits, runAnalysis } from "./run-analysis.ts";
