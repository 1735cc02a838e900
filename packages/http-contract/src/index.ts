export * from "./malformed.ts";
export * from "./metrics-listener.ts";
export * from "./problem.ts";
export * from "./rest-taken.ts";
export * from "./route-config.ts";
export * from "./socket-listener.ts";
