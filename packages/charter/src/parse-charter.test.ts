import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { charterYaml, parseCharter } from "./parse-charter.ts";
import { readTemplate } from "./templates.ts";

const source = readTemplate("flight-delays");

function lineOf(text: string, needle: string): number {
  return text.slice(0, text.indexOf(needle)).split("\n").length;
}

/** The flight-delays charter with one text replaced, and what the parser says of it. */
function problemsWith(before: string, after: string) {
  expect(source).toContain(before);
  const text = source.replace(before, after);
  const reading = parseCharter(text, "charter.yaml");
  if (reading.kind === "valid") throw new Error("the charter was accepted");
  const found = reading.violations.map(({ detail, mend, at }) => ({
    detail,
    mend,
    line: at?.line,
    file: at?.file,
  }));
  return { text, code: reading.code, found };
}

describe("a wrong charter", () => {
  test.each([
    [
      "a misspelt key",
      "latencyClass: real_time",
      "latencyClas: real_time",
      "latencyClas",
      /Did you mean "latencyClass"\?/,
    ],
    [
      "a key in the wrong place",
      "successInSixMonths:",
      "costCeiling: 5 USD/month\nsuccessInSixMonths:",
      "costCeiling: 5 USD",
      /belongs under nonNegotiables/,
    ],
    ["a time without a unit", "p95: 50ms", "p95: 50", "p95: 50", /e\.g\. 80ms/],
    ["a wrong unit of time", "p95: 50ms", "p95: 50 lightyears", "p95: 50", /ms, s, min, h, d, w or y/],
    [
      "money without a currency",
      "costCeiling: 2000 USD/month",
      "costCeiling: 2000",
      "costCeiling: 2000",
      /2000 USD\/month/,
    ],
    ["a rate without a unit", "ceiling: 500 rps", "ceiling: 500", "ceiling: 500", /500 rps/],
    ["a percentage as a number", "availability: 99.5%", "availability: 99.5", "availability: 99.5", /99\.9%/],
    [
      "a choice in another case",
      "beyond: reject",
      "beyond: Reject",
      "beyond: Reject",
      /Did you mean reject\?/,
    ],
    [
      "an unknown regulation",
      "regulations: []",
      "regulations: [HIPPA]",
      "regulations: [HIPPA]",
      /Did you mean HIPAA\?/,
    ],
    ["a p99 below the p95", "p99: 120ms", "p99: 10ms", "latency: {", /Raise p99/],
    ["a floor that no metric reaches", "floor: 0.60", "floor: 60", "floor: 60", /between 0 and 1/],
    ["a ceiling for a metric with a floor", "floor: 0.60", "ceiling: 0.60", "accuracy:", /State floor/],
    ["a class that p95 does not keep", "p95: 50ms", "p95: 110ms", "latencyClass", /another latency class/],
    [
      "a fallback without its value",
      "kind: constant, value: 0.2",
      "kind: constant",
      "fallback:",
      /Add value/,
    ],
    [
      "an average above the ceiling",
      "averageThroughput: 40 rps",
      "averageThroughput: 501 rps",
      "averageThroughput",
      /Raise the ceiling/,
    ],
    [
      "a demand for what nothing derives",
      "  - accuracy_gate",
      "  - fairness_gate",
      "  - fairness_gate",
      /section that it belongs to/,
    ],
    [
      "a snapshot age that a healthy gateway would miss",
      "  availability: 99.5%",
      "  availability: 99.5%\n  snapshotAge: { maximum: 1min, beyond: serve }",
      "snapshotAge",
      /5min or more/,
    ],
    [
      "serving on without revocations under a regulation that ends access",
      "  availability: 99.5%\n\nnonNegotiables:\n  regulations: []",
      "  availability: 99.5%\n  snapshotAge: { maximum: 24h, beyond: serve }\n\nnonNegotiables:\n  regulations: [PCI-DSS]",
      "snapshotAge",
      /Write refuse/,
    ],
    [
      "a bound of groups without a word on what may differ",
      "humanReview: none",
      "humanReview: none\nfairness: { attributes: [age-band], maximumDifference: 0.1, minimumRatio: 0.8 }",
      "fairness:",
      /Add measures/,
    ],
    [
      "a margin of a metric that is not compared",
      "  availability: 99.5%",
      "  availability: 99.5%\n  challenger: { metrics: [roc_auc], margins: { f1: 0.01 } }",
      "challenger:",
      /Add it to metrics/,
    ],
    [
      "a gap of a metric that slices do not have",
      "  accuracy:\n    metric: roc_auc",
      "  slices: { columns: [carrier], maximumGap: 0.1 }\n  accuracy:\n    metric: ndcg_at_10",
      "slices:",
      /remove maximumGap/,
    ],
    [
      "names of classes where there are two",
      "  task: binary_classification",
      "  task: binary_classification\n  classes: [a, b, c]",
      "  classes: [a, b, c]",
      /correct model.task/,
    ],
    [
      "queries of what is no ranking",
      "  task: binary_classification",
      "  task: binary_classification\n  query: session",
      "  query: session",
      /correct model.task/,
    ],
    [
      "a margin that allows everything",
      "  availability: 99.5%",
      "  availability: 99.5%\n  challenger: { metrics: [f1], margins: { f1: 1.5 } }",
      "challenger:",
      /below 1/,
    ],
    [
      "a comparison in what is not measured of the task",
      "  availability: 99.5%",
      "  availability: 99.5%\n  challenger: { metrics: [rmse] }",
      "challenger:",
      /Name some of roc_auc, pr_auc/,
    ],
    [
      "machines that nothing is held against",
      "  availability: 99.5%",
      "  availability: 99.5%\n  modelBudget: { machines: 2 }",
      "modelBudget:",
      /latencyShare/,
    ],
    [
      "more of the answer's time than there is",
      "  availability: 99.5%",
      "  availability: 99.5%\n  modelBudget: { latencyShare: 120% }",
      "modelBudget:",
      /at most 100%/,
    ],
    [
      "a KPI over what is not there",
      "  availability: 99.5%",
      "  availability: 99.5%\n  kpis: [{ name: saved, value: profit / rows, floor: 1 }]",
      "kpis:",
      /./,
    ],
    [
      "a KPI that is no number",
      "  availability: 99.5%",
      "  availability: 99.5%\n  kpis: [{ name: saved, value: rows > 3, floor: 1 }]",
      "kpis:",
      /Make a number/,
    ],
    [
      "a KPI without a bound",
      "  availability: 99.5%",
      "  availability: 99.5%\n  kpis: [{ name: saved, value: rows }]",
      "kpis:",
      /floor or ceiling/,
    ],
    [
      "a sum with the name of a count",
      "  availability: 99.5%",
      "  availability: 99.5%\n  kpis: [{ name: saved, sums: { rows: score }, value: rows, floor: 1 }]",
      "kpis:",
      /another name/,
    ],
    [
      "more rows than all",
      "  availability: 99.5%",
      "  availability: 99.5%\n  robustness: { mutable: [wait], radius: 0.5, maximumTurned: 120% }",
      "robustness:",
      /at most 100%/,
    ],
    ["too short a retention", "regulations: []", "regulations: [SOX]", "retention:", /7y or more/],
  ])("%s is named with its line and the mend", (_, before, after, at, mend) => {
    const { text, found } = problemsWith(before, after);
    const line = lineOf(text, at);
    expect(found).toContainEqual({
      detail: expect.any(String) as string,
      mend: expect.stringMatching(mend) as string,
      line,
      file: "charter.yaml",
    });
  });

  test("a missing key is named at the group that lacks it, with an example", () => {
    const { text, found } = problemsWith("  latency: { p95: 50ms, p99: 120ms }", "  latency: { p95: 50ms }");
    expect(found).toEqual([
      {
        detail: "requirements.latency has no p99",
        mend: "Add p99, e.g. p99: 80ms. 99 of 100 predictions answer within this time.",
        line: lineOf(text, "latency: {"),
        file: "charter.yaml",
      },
    ]);
  });

  test("all problems come at once, in the order of the file", () => {
    const broken = source
      .replace("p95: 50ms", "p95: fast")
      .replace("level: low", "level: tiny")
      .replace("explainability: model", "explainability: some");
    const reading = parseCharter(broken, "c.yaml");
    const lines = reading.kind === "invalid" ? reading.violations.map((violation) => violation.at?.line) : [];
    expect(lines).toEqual([
      lineOf(broken, "p95"),
      lineOf(broken, "level"),
      lineOf(broken, "explainability:"),
    ]);
  });

  test.each([
    [
      "a duplicate key",
      source.replace("kind: Charter", "kind: Charter\nkind: Charter"),
      "kind: Charter\n\n",
      /unique/,
    ],
    [
      "an alias",
      source.replace("purposes: [staff", "purposes: &p [staff").concat("more: *p\n"),
      "&p",
      /anchors are not allowed/,
    ],
    ["a tag", source.replace("level: low", "level: !!binary bG93"), "level: !!binary", /tag/],
    ["an open bracket", source.replace("regulations: []", "regulations: ["), "regulations", /.+/],
    ["a tab", source.replace("  name: flight", "\tname: flight"), "\tname", /.+/],
  ])("%s is refused with its line", (_, text, __, detail) => {
    const reading = parseCharter(text, "charter.yaml");
    expect(reading).toMatchObject({ kind: "invalid", code: "charter.not_readable" });
    const violations = reading.kind === "invalid" ? reading.violations : [];
    expect(
      violations.some((violation) => detail.test(violation.detail) && (violation.at?.line ?? 0) > 1),
    ).toBe(true);
  });
});

describe("a hostile charter", () => {
  test.each([
    ["too large", "#".repeat(charterYaml.maximumBytes + 1)],
    ["nested brackets", "[".repeat(60_000)],
    ["nested blocks", "- ".repeat(60_000)],
    ["a bomb of aliases", `a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: [*c,*c]`],
    ["two documents", `${source}\n---\n${source}`],
    ["nothing", ""],
    ["a list", "- 1\n- 2"],
    ["a NUL", "a: \0"],
    ["an escaped NUL", source.replace("name: Ada Kline", 'name: "Ada\\0Kline"')],
    ["a prototype", "__proto__: { polluted: true }"],
    ["infinity", source.replace("value: 0.2", "value: .inf")],
  ])("%s is refused in words, quickly", (_, text) => {
    const reading = parseCharter(text, "charter.yaml");
    expect(reading.kind).toBe("invalid");
    expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false);
  });

  test("no cut or changed file makes the parser throw", () => {
    const edits = fc.record({
      at: fc.nat(source.length),
      drop: fc.nat(40),
      insert: fc.string({ maxLength: 12 }),
    });
    fc.assert(
      fc.property(edits, ({ at, drop, insert }) => {
        const reading = parseCharter(source.slice(0, at) + insert + source.slice(at + drop), "charter.yaml");
        return (
          reading.kind === "valid" || reading.violations.every((violation) => violation.detail.length > 0)
        );
      }),
      { numRuns: 60 },
    );
  });
});

test("comments and layout change neither the charter nor its digest", () => {
  const digestOf = (text: string) => {
    const reading = parseCharter(text);
    return reading.kind === "valid" ? reading.charter.digest : "invalid";
  };
  expect(
    digestOf(
      `# a note\n${source.replace("[dev, staging, production]", "\n  - dev\n  - staging\n  - production")}`,
    ),
  ).toBe(digestOf(source));
  expect(digestOf(source.replace("500 rps", "501 rps"))).not.toBe(digestOf(source));
});
