export { experimentIdOf, parseExperimentId } from "./experiment-id.ts";
export { latestPoints } from "./latest-points.ts";
