import type { MigrationSet } from "@portolan/kernel";

export const ledgerMigrations: MigrationSet = {
  package: "ledger",
  directory: new URL("../migrations/", import.meta.url),
  after: [],
};
