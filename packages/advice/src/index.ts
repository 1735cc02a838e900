import type { MigrationSet } from "@portolan/kernel";
import type { FastifyInstance } from "fastify";
import type { AdviceDeps } from "./read-recommendations.ts";
import { recommendationRoutes } from "./routes/recommendations.ts";

export * from "./contract.ts";
export { type AdviceErrorCode, adviceErrors } from "./errors.ts";
export { type FollowDeps, followRecommendations } from "./follow-recommendations.ts";
export * from "./policy.ts";
export type { AdviceSources } from "./ports.ts";
export { type AdviceDeps, dismissRecommendation, readRecommendations } from "./read-recommendations.ts";

export const adviceMigrations: MigrationSet = {
  package: "advice",
  directory: new URL("../migrations/", import.meta.url),
  after: [],
};

export async function registerAdviceRoutes(app: FastifyInstance, deps: AdviceDeps): Promise<void> {
  await app.register((scope) => recommendationRoutes(scope, deps));
}
