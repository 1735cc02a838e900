import type { MigrationSet } from "@portolan/kernel";

export { identityErrors } from "./errors.ts";
export { algorithmOf, createFileKeyRing, type FileKeyRingDeps, type ManagedKeyRing } from "./key-ring.ts";

export const identityMigrations: MigrationSet = {
  package: "identity",
  directory: new URL("../migrations/", import.meta.url),
  after: [],
};
