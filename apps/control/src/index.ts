export { ControlConfig } from "./config.ts";
export { describeApi } from "./describe-api.ts";
export { assembleControl, type Control, errorCatalogue, startControl, type Wiring } from "./start-control.ts";
export { type Foundation, layFoundation, migrationSets } from "./wiring/foundation.ts";
