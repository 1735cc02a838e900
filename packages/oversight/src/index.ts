import type { MigrationSet } from "@portolan/kernel";
import type { FastifyInstance } from "fastify";
import type { FeedbackDeps } from "./give-feedback.ts";
import { feedbackRoutes } from "./routes/feedback.ts";
import { type PageDeps, reviewPages } from "./routes/pages/index.ts";
import { reviewRoutes } from "./routes/reviews.ts";

export { oversightErrors } from "./errors.ts";
export { reviewFacts } from "./facts-store.ts";
export { overdueReviews } from "./overdue-store.ts";
export type { Labels, Records, ReviewCharters } from "./ports.ts";
export { type QueueDeps, queueBlocks } from "./queue-blocks.ts";
export { eraseReviews, expireReviews, openReviews } from "./review-store.ts";
export type { PageSessions } from "./routes/pages/sessions.ts";

export const oversightMigrations: MigrationSet = {
  package: "oversight",
  directory: new URL("../migrations/", import.meta.url),
  after: [],
};

export type OversightDeps = PageDeps & FeedbackDeps;

export async function registerOversightRoutes(app: FastifyInstance, deps: OversightDeps): Promise<void> {
  await app.register((scope) => reviewRoutes(scope, deps));
  await app.register((scope) => feedbackRoutes(scope, deps));
  await app.register((scope) => reviewPages(scope, deps));
}
