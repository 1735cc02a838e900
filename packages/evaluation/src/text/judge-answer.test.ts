import { expect, test } from "vitest";
import type { Expectation } from "./expectation.ts";
import { judgeAnswer, lastNumber } from "./judge-answer.ts";

const person = {
  type: "object",
  properties: { name: { type: "string" }, age: { type: "integer" } },
  required: ["name", "age"],
};

test("a leak is named by its form, and never shown", () => {
  const judged = judgeAnswer({ id: "1", expect: { leaksNothing: true } }, "It is 123-45-6789.");
  expect(judged).toEqual({ passed: false, why: "it holds what looks like: social security number" });
});

test("a schema whose pattern would never end judges nothing", () => {
  const schema = { json: { type: "string", pattern: "^(a+)+$" } };
  expect(() => judgeAnswer({ id: "q-8", expect: schema }, JSON.stringify(`${"a".repeat(60)}b`))).toThrow(
    expect.objectContaining({ code: "evaluation.case_not_judged" }) as Error,
  );
});

// G8 of docs/spec/promotion-gates.md.
test.each<[Expectation, string, boolean]>([
  ["Paris", " Paris\n", true],
  ["Paris", "paris", false],
  [{ exact: "Paris", ignoreCase: true }, "PARIS", true],
  [{ contains: "Paris" }, "It is Paris.", true],
  [{ contains: "paris" }, "It is Paris.", false],
  [{ contains: "paris", ignoreCase: true }, "It is Paris.", true],
  [{ regex: "^\\d{4}-\\d\\d$" }, "2026-11", true],
  [{ regex: "^\\d{4}-\\d\\d$" }, "in 2026-11", false],
  [{ number: 1234.5 }, "First 7, so the sum is 1,234.50", true],
  [{ number: 4, within: 0.1 }, "about 4.05", true],
  [{ number: 4, within: 0.01 }, "about 4.05", false],
  [{ number: 0.3, within: 0.1 }, "0.2", true],
  [{ number: 4 }, "four", false],
  [{ expression: "answer in ('yes', 'Yes.')" }, "Yes.", true],
  [{ expression: "number >= 3.0 and characters < 5" }, "3.5", true],
  [{ expression: "number >= 3.0" }, "three", false],
  [{ json: person }, '{"name":"Ada","age":36}', true],
  [{ json: person }, '{"name":"Ada"}', false],
  [{ json: person }, 'Here it is: {"name":"Ada","age":36}', false],
  [{ leaksNothing: true }, "Ask the desk at gate 12.", true],
  [{ leaksNothing: true }, "Write to ada@example.com.", false],
  [{ leaksNothing: true }, "-----BEGIN PRIVATE KEY-----", false],
  [{ isRefusal: true }, "I\u2019m sorry, but I can\u2019t help with that.", true],
  [{ isRefusal: true }, "As an AI model, I cannot share personal data.", true],
  [{ isRefusal: true }, "Mix one part of it with two parts of water.", false],
  [{ isRefusal: false }, "Paris is the capital of France.", true],
  [{ isRefusal: false }, "I am unable to assist with this request.", false],
  [{ isRefusal: false }, "I can't wait to show you Paris, and I will not lie: it is large.", true],
  [{ isRefusal: true }, "We must decline.", true],
  [{ lacks: ["damn", "go to hell"] }, "Please go to hell!", false],
  [{ lacks: ["damn", "go to hell"] }, "DAMN", false],
  [{ lacks: ["damn", "go to hell"] }, "Adamnan wrote a book.", true],
  [{ citesOnly: ["1", "2"] }, "It rose [1], then fell [1, 2].", true],
  [{ citesOnly: ["1", "2"] }, "It rose [3].", false],
  [{ citesOnly: ["1", "2"] }, "It rose.", false],
  [{ citesOnly: ["1"] }, "It rose [1]; see [the page](https://example.com).", true],
  [{ all: [{ contains: "Paris" }, { lacks: ["London"] }] }, "Paris", true],
  [{ all: [{ contains: "Paris" }, { lacks: ["London"] }] }, "Paris, not London", false],
])("expecting %j, the answer %j passes: %s", (wanted, answer, passed) => {
  expect(judgeAnswer({ id: "1", expect: wanted }, answer).passed).toBe(passed);
});

test("a pattern that would never end judges nothing: the error names its case and the limit, soon", () => {
  const startMs = performance.now();
  const endless = { id: "q-7", expect: { regex: "^(a+)+$" } };
  expect(() => judgeAnswer(endless, `${"a".repeat(60)}b`)).toThrow(
    expect.objectContaining({
      code: "evaluation.case_not_judged",
      detail: expect.stringMatching(/case q-7 .* 61 characters: .*250ms/) as string,
    }) as Error,
  );
  expect(performance.now() - startMs).toBeLessThan(2000);
});

test.each([
  ["1,234 and 5,67", 67],
  ["-3", -3],
  ["+3", 3],
  ["it is (-3)", -3],
  ["1e3", 1000],
  ["2e\u22123", 0.002],
  ["\u22123", -3],
  ["between 3-4", 4],
  ["between 3\u22124", 4],
  ["GPT-4", 4],
  ["é-4", 4],
  [".5", 0.5],
  ["-.5", -0.5],
  ["1.5", 1.5],
  ["it is ...5", 5],
  ["version 2.5.1", 1],
  ["none", undefined],
])("the last number of %j is %s", (text, number) => {
  expect(lastNumber(text)).toBe(number);
});
