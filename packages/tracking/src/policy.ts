import { parseId } from "@portolan/kernel";

export { experimentIdOf, parseExperimentId } from "./experiment-id.ts";
export { latestPoints } from "./latest-points.ts";
export { offsetOf, tokenOf } from "./search/page-token.ts";
export { type Filtered, parseTextFilter } from "./search/text-filter.ts";

/** Whether the id is of a run that somebody made by MLflow's API, not of one that a trainer of ours worked on. */
export function isClientRunId(runId: string): boolean {
  return parseId("clientRun", runId) !== undefined;
}
