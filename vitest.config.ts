import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import { LongestFirst } from "./tools/test-order.ts";

/** Files of T1 that change their process for good, or look at all of it. */
const alone = ["packages/sandbox/test/walls.test.ts"];
const never = ["**/node_modules/**", "**/.toolchain/**", "**/.portolan/**", "**/.cache/**"];

/**
 * One project per tier, see CONTRIBUTING.md. T0 is pure, so that files may share a module cache; everything
 * else gets a process of its own (PGlite, native code, child processes).
 */
export default defineConfig({
  test: {
    maxWorkers: Math.max(1, Math.min(4, availableParallelism())),
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: "t0",
          include: ["packages/*/src/**/*.test.ts", "apps/*/src/**/*.test.ts", "tools/**/*.test.ts"],
          exclude: never,
          pool: "threads",
          isolate: false,
          // A bound for what hangs: on a machine busy with other work the slowest takes ten times its second.
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: "t1",
          // One more than processors on a small machine: files wait for their children and for the database.
          maxWorkers: Math.max(3, Math.min(4, availableParallelism())),
          sequence: { groupOrder: 3 },
          include: ["packages/*/test/**/*.test.ts", "apps/*/test/**/*.test.ts"],
          exclude: [...never, ...alone],
          pool: "forks",
          globalSetup: ["packages/testkit/src/database-server.ts"],
          // A process for many files: each would load the same modules anew, a second and a half of a core.
          isolate: false,
          testTimeout: 300_000,
          hookTimeout: 240_000,
        },
      },
      {
        test: {
          name: "t1-alone",
          include: alone,
          exclude: never,
          pool: "forks",
          testTimeout: 300_000,
        },
      },
      {
        test: {
          name: "t2",
          include: ["test/services/**/*.test.ts", "test/product/**/*.test.ts"],
          exclude: never,
          pool: "forks",
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          name: "t3",
          include: ["test/clients/**/*.test.ts"],
          exclude: never,
          pool: "forks",
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
          testTimeout: 300_000,
          hookTimeout: 600_000,
        },
      },
      {
        test: {
          name: "t4",
          include: ["test/chaos/**/*.test.ts"],
          exclude: never,
          pool: "forks",
          // Most of them wait for processes that start again.
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
          testTimeout: 600_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
