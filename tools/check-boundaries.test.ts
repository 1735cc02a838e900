import { expect, test } from "vitest";
import { checkBoundaries } from "./check-boundaries.ts";
import { manifest, plant } from "./planted-repository.ts";

const base = {
  "packages/kernel/package.json": manifest("kernel", { layer: "leaf" }),
  "packages/kernel/src/index.ts": "export const one = 1;",
  "packages/charter/package.json": manifest("charter", {
    layer: "domain",
    dependencies: ["@portolan/kernel"],
  }),
  "packages/charter/src/index.ts": 'import { one } from "@portolan/kernel"; export const two = one + one;',
  "packages/charter/src/contract.ts": "export type Terms = number;",
  "packages/registry/package.json": manifest("registry", {
    layer: "domain",
    dependencies: ["@portolan/charter", "@portolan/kernel", "kysely", "fastify"],
  }),
  "packages/registry/src/index.ts": 'export type { Terms } from "@portolan/charter/contract";',
  "packages/database/package.json": manifest("database", {
    layer: "adapter",
    dependencies: ["@portolan/kernel"],
  }),
  "packages/database/src/index.ts": "export const open = 1;",
};

function problemsWith(path: string, content: string): readonly string[] {
  using repository = plant({ ...base, [path]: content });
  return checkBoundaries(repository.root).problems;
}

test("a repository that keeps the layers has no problem", () => {
  using repository = plant(base);
  expect(checkBoundaries(repository.root)).toEqual({ examined: 5, problems: [] });
});

test("a repository without sources examines nothing, which fails the check", () => {
  using repository = plant({});
  expect(checkBoundaries(repository.root).examined).toBe(0);
});

test.each([
  [
    "a leaf that imports a domain",
    "packages/kernel/src/a.ts",
    'import "@portolan/charter";',
    "never point upwards",
  ],
  [
    "a domain that imports an adapter",
    "packages/charter/src/a.ts",
    'import "@portolan/database";',
    "never point upwards",
  ],
  [
    "a domain that enters another by its front door",
    "packages/registry/src/a.ts",
    'import { two } from "@portolan/charter";',
    "only through /contract or /policy",
  ],
  [
    "a dynamic import of another domain",
    "packages/registry/src/a.ts",
    'await import("@portolan/charter");',
    "only through /contract or /policy",
  ],
  [
    "a type import of another domain",
    "packages/registry/src/a.ts",
    'type X = import("@portolan/charter").Y;',
    "only through /contract or /policy",
  ],
  [
    "a deep import",
    "packages/registry/src/a.ts",
    'import "@portolan/charter/src/index.ts";',
    "does not export",
  ],
  ["an undeclared dependency", "packages/charter/src/a.ts", 'import "typebox";', "does not declare"],
  [
    "a relative import out of the package",
    "packages/charter/src/a.ts",
    'import "../../kernel/src/index.ts";',
    "reaches out of its package",
  ],
  ["a builtin without its prefix", "packages/kernel/src/a.ts", 'import "fs";', "without the node: prefix"],
  [
    "SQL outside the store",
    "packages/registry/src/a.ts",
    'import { sql } from "kysely";',
    "only store.ts knows SQL",
  ],
  [
    "HTTP outside the routes",
    "packages/registry/src/a.ts",
    'import type { FastifyInstance } from "fastify";',
    "only routes/ knows HTTP",
  ],
])("%s is a problem", (_name, path, content, expected) => {
  const problems = problemsWith(path, content);
  expect(problems.join("\n")).toContain(expected);
  expect(problems[0]).toMatch(new RegExp(`^${path}:1 `));
});

test("a policy that reaches the outside through another file is a problem", () => {
  using repository = plant({
    ...base,
    "packages/charter/src/policy.ts": 'export { judge } from "./judge.ts";',
    "packages/charter/src/judge.ts":
      'import { readFileSync } from "node:fs"; export const judge = readFileSync;',
  });
  expect(checkBoundaries(repository.root).problems).toEqual([
    "packages/charter/src/judge.ts:1 belongs to the policy and imports node:fs: a policy is pure",
  ]);
});

test("SQL in the store, HTTP in the routes and anything declared in tests are allowed", () => {
  using repository = plant({
    ...base,
    "packages/registry/src/store.ts": 'import { sql } from "kysely"; export { sql };',
    "packages/registry/src/routes/models.ts":
      'import type { FastifyInstance } from "fastify"; export type A = FastifyInstance;',
    "packages/registry/test/a.test.ts": 'import { two } from "@portolan/charter"; two;',
  });
  expect(checkBoundaries(repository.root).problems).toEqual([]);
});
