/** The server that this installation runs itself, for those who need no connection to it: nothing here loads a client's machinery. */
export { hasEmbeddedPostgres } from "./embedded/binaries.ts";
export {
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres,
} from "./embedded/embedded-postgres.ts";
export { endOrphan } from "./embedded/orphan.ts";
export { type FolderLock, lockFolder } from "./pglite/folder-lock.ts";
