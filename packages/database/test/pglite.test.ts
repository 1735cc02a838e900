import { databaseSuite } from "./shared-suite.ts";

databaseSuite("PGlite", "pglite", () => "");
