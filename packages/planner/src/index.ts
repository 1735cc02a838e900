import type { MigrationSet } from "@portolan/kernel";
import type { FastifyInstance } from "fastify";
import type { PlannerDeps } from "./plans.ts";
import type { ReadinessDeps } from "./readiness/read-readiness.ts";
import { planRoutes } from "./routes/plans.ts";
import { readinessRoutes } from "./routes/readiness.ts";

export * from "./contract.ts";
export { type CpuPrice, coreHourPrice, cpuPrice } from "./cpu-price.ts";
export { type PlannerErrorCode, plannerErrors } from "./errors.ts";
export { planFacts } from "./facts-store.ts";
export { makePlan, type PlannerDeps, type PlanRequest, readPlan } from "./plans.ts";
export * from "./policy.ts";
export type { CharterSource, PlannedCharter } from "./ports.ts";
export { planCurrency } from "./price-choice.ts";
export type { ReadinessDeps } from "./readiness/read-readiness.ts";
export { readShippedPrices } from "./shipped-prices.ts";
export { type UsagePriceList, usagePrices } from "./usage-prices.ts";

export const plannerMigrations: MigrationSet = {
  package: "planner",
  directory: new URL("../migrations/", import.meta.url),
  after: [],
};

/** @param readiness absent: nobody reads how far a use case is from production here */
export async function registerPlannerRoutes(
  app: FastifyInstance,
  deps: PlannerDeps,
  readiness?: ReadinessDeps,
): Promise<void> {
  await app.register(async (scope) => planRoutes(scope, deps));
  if (readiness) await app.register(async (scope) => readinessRoutes(scope, readiness));
}
