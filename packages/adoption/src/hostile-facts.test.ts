import { expect, test } from "vitest";
import { adoptPickle } from "./adopt.ts";
import { type PickleFacts, readPickleFacts, readSourceFacts } from "./facts.ts";
import { projectFiles, projectName } from "./project/project.ts";
import { adoptionReport } from "./report.ts";

/** What a hostile pickle may have written in the place of the program that opens it. */
const hostile: PickleFacts = {
  names: [],
  refused: ["a`b|c\n# Approved\n<script>"],
  estimator: {
    kind: "sklearn.ensemble.RandomForestClassifier\n## Approved",
    params: {
      n_estimators: 5,
      "x=1)\nimport os #": 1,
      criterion: 'gini")\nimport os',
      max_features: "sqrt",
      random_state: 3,
    },
    features: 2,
  },
};

test("what a pickle says of itself reaches a written program only as a known name and plain literals", () => {
  const odd = { ...hostile, estimator: { ...hostile.estimator, kind: "x.RandomForestClassifier" } };
  const adoption = adoptPickle({ facts: odd }, 10);
  expect(adoption.estimator).toMatchObject({
    module: "sklearn.ensemble",
    params: { n_estimators: 5, max_features: "sqrt" },
  });
  expect(Object.keys(adoption.estimator?.params ?? {})).toEqual(["n_estimators", "max_features"]);
  const files = projectFiles(adoption, { name: "poc", charter: "", locks: {}, report: "" });
  const program = files.get("training/train.py") ?? "";
  expect(program).toContain("from sklearn.ensemble import RandomForestClassifier\n");
  expect(program).toContain('RandomForestClassifier(**spec["params"], random_state=spec["seed"])');
  expect(program).not.toContain("import os #");
  expect(program).not.toMatch(/# <\w+>/);
});

test("what no table knows gets the trainer of a known kind", () => {
  const adoption = adoptPickle({ facts: hostile }, 10);
  expect(adoption.estimator).toBeUndefined();
  const files = projectFiles(adoption, { name: "poc", charter: "", locks: {}, report: "" });
  expect(files.get("training/train.py")).toContain("HistGradientBoostingClassifier(");
});

test("nothing that a file says is markup of the report, or another line of it", () => {
  const report = adoptionReport("a`\n# x.pkl", adoptPickle({ facts: hostile }, 10));
  expect(
    report
      .split("\n")
      .filter((line) => line.startsWith("#"))
      .every((line) => !line.includes("Approved")),
  ).toBe(true);
  expect(report).toContain("`a'b¦c # Approved <script>`");
  expect(report.split("\n")[0]).toBe("# Adoption of `a' # x.pkl`");
});

test("a finding in more places than are shown says how many there are", () => {
  const refused = Array.from({ length: 25 }, (_, at) => `os.f${at}`);
  const adoption = adoptPickle({ facts: { names: [], refused } }, 10);
  expect(adoption.findings[0]).toMatchObject({ places: 25, evidence: { length: 20 } });
  expect(adoptionReport("x.pkl", adoption)).toContain("- and 5 more");
});

test.each(["", "null", "[]", '{"names": 7}', `{"names": ["${"x".repeat(701)}"], "refused": []}`])(
  "facts that are none are refused: %s",
  (text) => {
    for (const read of [readPickleFacts, readSourceFacts])
      expect(() => read(text)).toThrow(expect.objectContaining({ code: "adoption.reading_failed" }));
  },
);

test("a name for the project is one that contracts and use cases take", () => {
  expect(["Churn 2.ipynb", "../etc/passwd.py", "日本.pkl", "2024-model.joblib"].map(projectName)).toEqual([
    "churn-2",
    "etc-passwd",
    "adopted",
    "model",
  ]);
});
