import { describe, expect, test } from "vitest";
import { checkBannedCalls } from "./check-banned-calls.ts";
import { checkErrorPages } from "./check-error-pages.ts";
import { compareGenerated } from "./check-generated.ts";
import { checkRepository } from "./check-repository.ts";
import { plant } from "./planted-repository.ts";

describe("banned calls", () => {
  test.each([
    ["Date.now();", "Date.now()"],
    ["const at = new Date(0);", "new Date()"],
    ["const key = process.env.KEY;", "process.env"],
    ["const key = process.env['KEY'];", "process.env"],
    ['import { env } from "node:process"; env;', "process.env"],
    ["Temporal.Now.instant();", "Temporal.Now"],
  ])("%s is found", (text, name) => {
    using repository = plant({ "packages/registry/src/a.ts": text });
    const { problems } = checkBannedCalls(repository.root);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(`packages/registry/src/a.ts:1 uses ${name}`);
  });

  test("the clock, the entry of an app and tests may use them; a comment is no call", () => {
    using repository = plant({
      "packages/kernel/src/time.ts": "Date.now();",
      "apps/control/src/main.ts": "process.env;",
      "packages/registry/src/a.test.ts": "Date.now();",
      "packages/registry/src/a.ts": "// Date.now() is banned here",
    });
    expect(checkBannedCalls(repository.root)).toEqual({ examined: 3, problems: [] });
  });

  test("hooks that a helper of tests registers by itself are found; in a function, and in a test file, they are not", () => {
    const hook = "beforeAll(() => 1);";
    using repository = plant({
      "packages/a/test/world.ts": `const a = 1;\n${hook}`,
      "packages/a/test/other-world.ts": `export function openWorld() { ${hook} }`,
      "packages/a/test/a.test.ts": hook,
    });
    const { problems } = checkBannedCalls(repository.root);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain("packages/a/test/world.ts:2 calls beforeAll()");
  });
});

describe("error pages", () => {
  const catalogue =
    'export const aErrors = { "a.gone": { status: 404, title: "Gone" } } as const satisfies Specs;';
  const page = "# a.gone\n\n## What happened\n\n## Why\n\n## What to do\n";

  test("a catalogue whose codes all have their page has no problem", () => {
    using repository = plant({ "packages/a/src/errors.ts": catalogue, "docs/errors/a.gone.md": page });
    expect(checkErrorPages(repository.root)).toEqual({ examined: 1, problems: [] });
  });

  test("a missing page, a dead page and a page without its sections are found", () => {
    using missing = plant({ "packages/a/src/errors.ts": catalogue });
    expect(checkErrorPages(missing.root).problems[0]).toContain("docs/errors/a.gone.md is missing");
    using dead = plant({
      "packages/a/src/errors.ts": catalogue,
      "docs/errors/a.gone.md": page,
      "docs/errors/b.old.md": page,
    });
    expect(checkErrorPages(dead.root).problems).toEqual([
      "docs/errors/b.old.md documents b.old, which no catalogue declares",
    ]);
    using bare = plant({ "packages/a/src/errors.ts": catalogue, "docs/errors/a.gone.md": "# a.gone\n" });
    expect(checkErrorPages(bare.root).problems).toHaveLength(3);
  });

  test("a code declared twice is found", () => {
    using repository = plant({
      "packages/a/src/errors.ts": catalogue,
      "packages/b/src/errors.ts": catalogue.replace("aErrors", "bErrors"),
      "docs/errors/a.gone.md": page,
    });
    expect(checkErrorPages(repository.root).problems[0]).toContain("declares already");
  });

  test("a catalogue that cannot be read from its syntax is refused, not passed over", () => {
    using repository = plant({ "packages/a/src/errors.ts": "export const aErrors = { ...others };" });
    expect(() => checkErrorPages(repository.root)).toThrow("literals");
  });
});

describe("generated files", () => {
  test("a file that differs from what its generator makes, or is missing, is found", () => {
    using repository = plant({ "same.md": "1", "edited.md": "edited" });
    const wanted = new Map([
      ["same.md", "1"],
      ["edited.md", "2"],
      ["missing.md", "3"],
    ]);
    const { examined, problems } = compareGenerated(repository.root, wanted);
    expect(examined).toBe(3);
    expect(problems.map((problem) => problem.split(":")[0])).toEqual([
      "edited.md differs from its sources",
      "missing.md is missing",
    ]);
  });
});

describe("repository", () => {
  // In halves, so that the check does not find them in this very file.
  test.each([
    ["a.ts", `const path = "/wo${"rk"}/main";`, "path of one machine"],
    ["a.md", `see /ho${"me"}/ada/notes`, "path of one machine"],
    ["package-lock.json", `"x": "https://registry.npm${"js"}.org/x"`, "package registry"],
    ["package-lock.json", `"reso${"lved"}": "https://mirror/x.tgz"`, "one registry's address"],
    ["docs/a.md", "[gone](missing.md)", "links to missing.md"],
    ["docs/a.md", "[gone]: ../missing.md", "links to ../missing.md"],
  ])("%s with %s is found", (path, text, expected) => {
    using repository = plant({ [path]: text });
    const { problems } = checkRepository(repository.root);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(expected);
  });

  test("living links, anchors, addresses and code are no problem", () => {
    using repository = plant({
      "docs/a.md":
        "[b](b.md#part) [top](#top) [site](https://example.org/x)\n```\n[x](y.md)\n```\n`[x](y.md)`\n",
      "docs/b.md": "b",
    });
    expect(checkRepository(repository.root).problems).toEqual([]);
  });
});
