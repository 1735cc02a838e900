import type { FastifyInstance } from "fastify";
import { entryRoutes } from "./entries.ts";
import { type LedgerRouteDeps, logRoutes } from "./log.ts";
import { verifyRoutes } from "./verify.ts";

export async function registerLedgerRoutes(app: FastifyInstance, deps: LedgerRouteDeps): Promise<void> {
  await app.register(entryRoutes(deps));
  await app.register(logRoutes(deps));
  await app.register(verifyRoutes(deps));
}
