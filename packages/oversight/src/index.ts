import type { MigrationSet } from "@portolan/kernel";
import type { FastifyInstance } from "fastify";
import type { DecideDeps } from "./decide-review.ts";
import type { FeedbackDeps } from "./give-feedback.ts";
import { feedbackRoutes } from "./routes/feedback.ts";
import { reviewRoutes } from "./routes/reviews.ts";

export { oversightErrors } from "./errors.ts";
export type { Labels, Records, ReviewCharters } from "./ports.ts";
export { type QueueDeps, queueBlocks } from "./queue-blocks.ts";
export { eraseReviews, expireReviews } from "./review-store.ts";

export const oversightMigrations: MigrationSet = {
  package: "oversight",
  directory: new URL("../migrations/", import.meta.url),
  after: [],
};

export type OversightDeps = DecideDeps & FeedbackDeps;

export async function registerOversightRoutes(app: FastifyInstance, deps: OversightDeps): Promise<void> {
  await app.register((scope) => reviewRoutes(scope, deps));
  await app.register((scope) => feedbackRoutes(scope, deps));
}
