export { openUpstreamAccess, type UpstreamAccess } from "./access.ts";
export { type UpstreamErrorCode, upstreamErrors } from "./errors.ts";
export { createUpstreamProbe } from "./upstream-probe.ts";
export { createUpstreamRuntime, type UpstreamRuntimeOptions } from "./upstream-runtime.ts";
