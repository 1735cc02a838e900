import { join } from "node:path";

/**
 * The variable by which a test's processes keep and find their compiled modules, as the launcher gives it to those of a user: without it each start
 * compiles everything anew, for longer than most tests take otherwise.
 */
export const compileCache = {
  NODE_COMPILE_CACHE:
    process.env["NODE_COMPILE_CACHE"] ?? join(import.meta.dirname, "../.toolchain/compile-cache"),
};
