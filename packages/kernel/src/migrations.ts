/** A package's numbered SQL files. Each package owns one PostgreSQL schema, named like itself. */
export interface MigrationSet {
  /** Package and PostgreSQL schema name, e.g. `registry`. */
  readonly package: string;
  /** `new URL("../migrations/", import.meta.url)`; files are `0001_what.sql`, never edited once landed. */
  readonly directory: URL;
  /** Packages whose migrations run first. */
  readonly after: readonly string[];
}
