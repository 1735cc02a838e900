import { describe, expect, test } from "vitest";
import { charterDiff } from "./charter-diff.ts";
import { explainCharter, explanationMarkdown } from "./explain.ts";
import { parseCharter, requireValid } from "./parse-charter.ts";
import { readTemplate } from "./templates.ts";
import { workloadOf } from "./terms.ts";

const source = readTemplate("churn");

/** The template with more under `workload`. */
function charterWith(...lines: string[]): string {
  return source.replace(/^workload:\n/m, ["workload:", ...lines.map((line) => `  ${line}`), ""].join("\n"));
}

function findingsOf(...lines: string[]) {
  const reading = parseCharter(charterWith(...lines), "charter.yaml");
  return reading.kind === "valid"
    ? []
    : reading.violations.map(({ at, detail }) => [at?.pointer, at?.line, detail]);
}

const sizes = [
  "batchInference: { rowsPerRun: 5000000, every: 7d, timePerRow: 0.5ms, window: 4h }",
  "retrieval: { vectors: 1000000, vectorSize: 3072 B, searches: 120 rpm, copies: 2 }",
  "fineTuning: { tokens: 100000000, epochs: 3, every: 30d, parameters: 7000000000 }",
];

describe("sizes of workloads that are priced apart", () => {
  test("are read as numbers, each of the charter's own", () => {
    const { document } = requireValid(parseCharter(charterWith(...sizes)));
    expect(workloadOf(document)).toMatchObject({
      batchRowsPerRun: 5e6,
      // 730 h of a month over 168 h of a week.
      batchRunsPerMonth: 730 / 168,
      batchMsPerRow: 0.5,
      batchWindowHours: 4,
      retrievalVectors: 1e6,
      vectorBytes: 3072,
      retrievalQueriesPerSecond: 2,
      retrievalCopies: 2,
      fineTuningTokens: 1e8,
      fineTuningEpochs: 3,
      fineTuningRunsPerMonth: 730 / 720,
      fineTuningParameters: 7e9,
    });
  });

  test("are absent, and nothing else changes, where a charter states none", () => {
    const { document } = requireValid(parseCharter(source));
    const known: Readonly<Record<string, unknown>> = workloadOf(document);
    for (const key of ["batchRowsPerRun", "retrievalVectors", "fineTuningTokens"])
      expect(known[key]).toBeUndefined();
  });

  test.each([
    ["a size that is missing", "batchInference: { every: 1d }", "/workload/batchInference"],
    ["a size of nothing", "retrieval: { vectors: 0 }", "/workload/retrieval/vectors"],
    ["parts of a row", "batchInference: { rowsPerRun: 1.5 }", "/workload/batchInference/rowsPerRun"],
    ["an unknown member", "fineTuning: { tokens: 5, lora: true }", "/workload/fineTuning"],
    ["no unit", "retrieval: { vectors: 5, vectorSize: 3072 }", "/workload/retrieval/vectorSize"],
    ["all at once", "batchInference: { rowsPerRun: 5, every: 0s }", "/workload/batchInference/every"],
    [
      "a window of no time",
      "batchInference: { rowsPerRun: 5, window: 1min }",
      "/workload/batchInference/window",
    ],
    [
      "a window beyond the next run",
      "batchInference: { rowsPerRun: 5, every: 1h, window: 2h }",
      "/workload/batchInference/window",
    ],
    ["a vector of a book", "retrieval: { vectors: 5, vectorSize: 2 MB }", "/workload/retrieval/vectorSize"],
    [
      "a row of a day",
      "batchInference: { rowsPerRun: 5, timePerRow: 1d }",
      "/workload/batchInference/timePerRow",
    ],
    ["a ramp of no time", "rampTime: 0s", "/workload/rampTime"],
  ])("%s is refused at its line", (_, line, pointer) => {
    const found = findingsOf(line);
    expect(found.map(([at]) => String(at).slice(0, pointer.length))).toContain(pointer);
    expect(found.every(([, at]) => Number(at) > 1)).toBe(true);
  });

  test("one that the stated kinds of work leave out is refused", () => {
    const without = findingsOf("kinds: [training, batch_inference]", "fineTuning: { tokens: 5 }");
    expect(without).toEqual([
      [
        "/workload/fineTuning",
        expect.any(Number),
        "its size is stated, and workload.kinds does not list fine_tuning",
      ],
    ]);
    expect(
      findingsOf("kinds: [training, batch_inference, fine_tuning]", "fineTuning: { tokens: 5 }"),
    ).toEqual([]);
  });

  test("are explained with their lines, beside what is enforced, and differ one by one", () => {
    const { document, lines } = requireValid(parseCharter(charterWith(...sizes)));
    const explanation = explainCharter(document, lines);
    const at =
      charterWith(...sizes)
        .split("\n")
        .findIndex((line) => line.includes("batchInference")) + 1;
    expect(explanation.estimates).toContainEqual({
      statement: "A batch scores 5,000,000 rows every 7d, within 4h, 0.5ms each; priced apart.",
      from: [{ pointer: "/workload/batchInference", line: at }],
    });
    expect(explanationMarkdown(explanation)).toContain(
      "- 1,000,000 vectors of 3072 B are searched, 120 rpm, in 2 copies; priced apart. (/workload/retrieval",
    );
    const { document: other } = requireValid(
      parseCharter(charterWith(...sizes.map((line) => line.replace("copies: 2", "copies: 3")))),
    );
    expect(charterDiff(document, other)).toEqual([
      { pointer: "/workload/retrieval/copies", before: 2, after: 3 },
    ]);
  });
});
