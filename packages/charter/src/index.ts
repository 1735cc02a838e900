import type { MigrationSet } from "@portolan/kernel";
import type { FastifyInstance } from "fastify";
import type { CharterDeps } from "./deps.ts";
import { chartersRoutes } from "./routes/charters.ts";
import { signatureRoutes } from "./routes/signatures.ts";

export * from "./contract.ts";
export type { CharterDeps } from "./deps.ts";
export { type CharterErrorCode, charterErrors } from "./errors.ts";
export { charterJsonSchema, charterSchemaPath } from "./json-schema.ts";
export * from "./policy.ts";
export type { RegisteredUseCase, RoleLookup, SigningKeyLookup, UseCaseDirectory } from "./ports.ts";
export {
  explainStoredCharter,
  exportCharterBundle,
  inForceCharter,
  readCharter,
  readCharters,
  requireInForceCharter,
} from "./read-charters.ts";
export { type CharterSignature, type SignedCharter, signCharter } from "./sign-charter.ts";
export { chartersOfUseCase, findCharter, findInForce, listInForce, signaturesOf } from "./store.ts";
export { type CharterSubmission, type SubmittedCharter, submitCharter } from "./submit-charter.ts";
export { parseTemplateName, readTemplate, type TemplateName, templateNames } from "./templates.ts";
export { withdrawCharter } from "./withdraw-charter.ts";

export const charterMigrations: MigrationSet = {
  package: "charter",
  directory: new URL("../migrations/", import.meta.url),
  after: [],
};

export async function registerCharterRoutes(app: FastifyInstance, deps: CharterDeps): Promise<void> {
  await app.register(async (scope) => {
    chartersRoutes(scope, deps);
    signatureRoutes(scope, deps);
  });
}
