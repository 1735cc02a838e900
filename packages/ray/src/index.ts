export { createRayBackend, type RayBackendDeps } from "./ray-backend.ts";
export { type RaySettings, type RayVariables, readRaySettings } from "./ray-settings.ts";
