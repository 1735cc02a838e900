// Pure: what other domains may reckon with.
export { standing } from "./mig/layouts.ts";
export { migModels } from "./mig/models.ts";
