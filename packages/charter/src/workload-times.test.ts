import { describe, expect, test } from "vitest";
import { explainCharter, explanationMarkdown } from "./explain.ts";
import { parseCharter, requireValid } from "./parse-charter.ts";
import { readTemplate } from "./templates.ts";
import { workloadOf } from "./terms.ts";

const source = readTemplate("churn");

function charterWith(...lines: string[]): string {
  return source.replace(/^workload:\n/m, ["workload:", ...lines.map((line) => `  ${line}`), ""].join("\n"));
}

const times = ["predictionTime: 3ms", "cardBatch: { time: 4ms, perRequest: 0.4ms, requests: 16 }"];

describe("what a prediction takes", () => {
  test("is read as numbers, and absent where a charter states nothing", () => {
    const { document } = requireValid(parseCharter(charterWith(...times)));
    expect(workloadOf(document)).toMatchObject({
      predictionMs: 3,
      cardBatchMs: 4,
      cardRequestMs: 0.4,
      cardBatchRequests: 16,
    });
    expect(workloadOf(requireValid(parseCharter(source)).document)).toMatchObject({
      predictionMs: undefined,
      cardBatchMs: undefined,
      cardRequestMs: undefined,
      cardBatchRequests: undefined,
    });
  });

  test("is told to people with its line", () => {
    const { document, lines } = requireValid(parseCharter(charterWith(...times), "charter.yaml"));
    const text = explanationMarkdown(explainCharter(document, lines));
    expect(text).toContain("A prediction takes 3ms of a core.");
    expect(text).toContain("A batch takes 4ms on a card, 0.4ms more for each request, 16 requests at most.");
  });

  test.each([
    ["no time at all", "predictionTime: 0ms", "/workload/predictionTime"],
    ["hours", "predictionTime: 2h", "/workload/predictionTime"],
    ["no unit", "predictionTime: 3", "/workload/predictionTime"],
    ["a batch of no time", "cardBatch: { time: 0s }", "/workload/cardBatch/time"],
    ["a batch without its time", "cardBatch: { requests: 8 }", "/workload/cardBatch"],
    ["days for a request", "cardBatch: { time: 4ms, perRequest: 2d }", "/workload/cardBatch/perRequest"],
    ["a batch of nothing", "cardBatch: { time: 4ms, requests: 0 }", "/workload/cardBatch/requests"],
    ["an unknown member", "cardBatch: { time: 4ms, card: L4 }", "/workload/cardBatch"],
  ])("of %s is refused at its place", (_, line, pointer) => {
    const reading = parseCharter(charterWith(line), "charter.yaml");
    const pointers = reading.kind === "valid" ? [] : reading.violations.map(({ at }) => at?.pointer);
    expect(
      pointers.some((found) => found?.startsWith(pointer)),
      String(pointers),
    ).toBe(true);
  });
});
