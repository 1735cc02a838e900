import { expect, test } from "vitest";
import { checkSpecRules } from "./check-spec-rules.ts";
import { plant } from "./planted-repository.ts";

const features =
  "# Features\n\nPackage: `features`.\n\n- **F1** One.\n- **F2** Two.\n- **F2a** More.\n- **F3** Three.\n";
const ledger = "# Ledger\n\nPackage: `ledger`.\n\n- **L1 Rows.** A row.\n";
const limits =
  "# Limits\n\nPackage: `serving`.\n\n**L1.** A limit. **L2** is no rule here: it begins no line.\n";
const document = (name: string) => `docs/spec/${name}.md`;
const suite = (folder: string) => `${folder}/test/a.test.ts`;

function problemsOf(files: Readonly<Record<string, string>>): readonly string[] {
  using repository = plant(files);
  return checkSpecRules(repository.root).problems;
}

test("rules that are cited in titles, after their document and by ranges have no problem", () => {
  using repository = plant({
    [document("features")]: features,
    [suite("packages/features")]:
      '/**\n * What is held (docs/spec/features.md,\n * F2 to F3). */\ntest("one (F1)", () => 1);',
  });
  expect(checkSpecRules(repository.root)).toEqual({ examined: 4, problems: [] });
});

test.each([
  ["a title", 'test("a (F1, F2 and F2a)", () => 1);', ["F3"]],
  ["a list after the document", "// docs/spec/features.md F2, F3: told", ["F1", "F2a"]],
  ["a call, and words that are alike", 'f(F1); const gpu = "an A100 (of F1) F2";', ["F1", "F2", "F2a", "F3"]],
])("a rule that %s does not cite is found", (_, text, missing) => {
  expect(problemsOf({ [document("features")]: features, [suite("packages/a")]: text })).toEqual(
    missing.map((name) => `docs/spec/features.md has rule ${name}, which no test cites`),
  );
});

test("a cited rule that is not there is found with its line, also the end of a range and a document that is not there", () => {
  const cites =
    '// docs/spec/features.md F1 to F4\n\ntest("a (F9)", () => 1);\n// as it was (docs/spec/old.md, F1)';
  expect(problemsOf({ [document("features")]: features, [suite("packages/a")]: cites })).toEqual([
    "packages/a/test/a.test.ts:3 cites F9, which docs/spec/features.md has not",
    "packages/a/test/a.test.ts:4 cites docs/spec/old.md, which is not there",
    "packages/a/test/a.test.ts:1 cites F4, which docs/spec/features.md has not",
  ]);
});

test("of two documents with rules of one letter a test means that of its package, or the one that it names", () => {
  const both = { [document("holds")]: ledger, [document("bounds")]: limits };
  const cites = 'test("a (L1)", () => 1);';
  expect(problemsOf({ ...both, [suite("packages/ledger")]: cites })).toEqual([
    "docs/spec/bounds.md has rule L1, which no test cites",
  ]);
  expect(problemsOf({ ...both, [suite("apps/a")]: `// docs/spec/bounds.md\n${cites}` })).toEqual([
    "docs/spec/holds.md has rule L1, which no test cites",
  ]);
  // A graphics card.
  expect(problemsOf({ ...both, [suite("packages/planner")]: 'test("no gpu (L4)", () => 1);' })).toHaveLength(
    2,
  );
});

test("a rule that stands twice is found, and what is no test cites nothing", () => {
  const files = {
    [document("features")]: `${features}- **F1** Again.\n`,
    "packages/a/src/a.ts": "// (F1 to F3)",
  };
  const problems = problemsOf(files);
  expect(problems).toContain("docs/spec/features.md has two rules F1");
  expect(problems).toContain("docs/spec/features.md has rule F1, which no test cites");
});
