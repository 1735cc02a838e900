export * from "./problem.ts";
export * from "./route-config.ts";
