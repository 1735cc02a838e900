import type { FastifyInstance } from "fastify";
import type { LedgerDeps } from "../ledger.ts";
import { entryRoutes } from "./entries.ts";
import { logRoutes } from "./log.ts";
import { verifyRoutes } from "./verify.ts";

export async function registerLedgerRoutes(app: FastifyInstance, deps: LedgerDeps): Promise<void> {
  await app.register(entryRoutes(deps));
  await app.register(logRoutes(deps));
  await app.register(verifyRoutes(deps));
}
