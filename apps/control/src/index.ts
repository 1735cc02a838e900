export { ControlConfig } from "./config.ts";
export { describeApi } from "./describe-api.ts";
export { errorCatalogue } from "./error-catalogue.ts";
export { assembleControl, type Control, startControl, type Wiring } from "./start-control.ts";
export { type Foundation, layFoundation, migrationSets } from "./wiring/foundation.ts";
