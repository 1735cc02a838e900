import type { FastifyInstance } from "fastify";
import { credentialRoutes } from "./credential-routes.ts";
import { directoryRoutes } from "./directory-routes.ts";
import type { IdentityRouteDeps } from "./route-deps.ts";
import { trustRoutes } from "./trust-routes.ts";

/** Registers all routes of this package. `registerAuthentication` must have been called on the same app before. */
export async function registerIdentityRoutes(app: FastifyInstance, deps: IdentityRouteDeps): Promise<void> {
  await app.register(directoryRoutes(deps));
  await app.register(credentialRoutes(deps));
  await app.register(trustRoutes(deps));
}
