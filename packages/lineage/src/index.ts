import type { MigrationSet } from "@portolan/kernel";
import type { FastifyInstance } from "fastify";
import type { ReportDeps } from "./report-events.ts";
import { lineageRoutes } from "./routes/lineage.ts";

export { lineageErrors } from "./errors.ts";
export { type FollowDeps, followLedger, retellUntold } from "./follow-ledger.ts";
export type { MadeThings } from "./ports.ts";
export type { ReportDeps as LineageDeps };

export const lineageMigrations: MigrationSet = {
  package: "lineage",
  directory: new URL("../migrations/", import.meta.url),
  after: ["ledger"],
};

export async function registerLineageRoutes(app: FastifyInstance, deps: ReportDeps): Promise<void> {
  await app.register((scope) => lineageRoutes(scope, deps));
}
