import { expect, test } from "vitest";
import { readTextCases } from "./text-case.ts";

const read = (text: string) => readTextCases(Buffer.from(text));

test("cases are read in their order, with the line's number where they have no id", () => {
  const lines = [
    '{"prompt":"2+2=","expect":{"number":4},"maxTokens":8}',
    "",
    '{"id":"capital","messages":[{"role":"user","content":"Capital of France?"}],"expect":"Paris"}',
  ];
  expect(read(lines.join("\r\n"))).toEqual({
    kind: "cases",
    labelled: [],
    cases: [
      { id: "1", question: { prompt: "2+2=" }, maxTokens: 8, expect: { number: 4 } },
      {
        id: "capital",
        question: { messages: [{ role: "user", content: "Capital of France?" }] },
        maxTokens: 512,
        expect: "Paris",
      },
    ],
  });
});

test("the variables of a version's template are asked as callers send them, with or without anything else", () => {
  const asked = (line: string) => {
    const cases = read(line);
    return cases.kind === "cases" ? cases.cases[0]?.question : cases;
  };
  const prompt_variables = { thing: "sky" };
  const rest = '"promptVariables":{"thing":"sky"},"expect":"blue"}';
  expect(asked(`{${rest}`)).toEqual({ messages: [], prompt_variables });
  expect(asked(`{"prompt":"Say.",${rest}`)).toEqual({ prompt: "Say.", prompt_variables });
  const messages = [{ role: "user", content: "Say." }];
  expect(asked(`{"messages":${JSON.stringify(messages)},${rest}`)).toEqual({ messages, prompt_variables });
});

test.each([
  ["", "the set has no cases"],
  ["{", "line 1: it is no JSON"],
  ['{"prompt":"x"}', "line 1: it is no case"],
  ['{"promptVariables":{},"expect":"y"}', "line 1: it is no case"],
  ['{"promptVariables":{"a":1},"expect":"y"}', "line 1: it is no case"],
  ['{"prompt":"x","messages":[{"role":"user"}],"expect":"y"}', "line 1: it is no case"],
  ['{"prompt":"x","expect":{"exact":"y","contains":"z"}}', "line 1: it is no case"],
  ['{"prompt":"x","expect":{"regex":"("}}', "line 1: its regular expression cannot be read"],
  ['{"prompt":"x","expect":{"expression":"answer >"}}', "line 1: its expression cannot be read"],
  ['{"prompt":"x","expect":{"expression":"characters"}}', "line 1: its expression is neither true nor false"],
  ['{"prompt":"x","expect":{"json":{"type":"nothing"}}}', "line 1: its schema cannot be read"],
  ['{"prompt":"x","expect":{"json":{"$ref":"https://example.com/x"}}}', "line 1: its schema cannot be read"],
  ['{"prompt":"x","expect":{"all":[{"regex":"("}]}}', "line 1: its regular expression cannot be read"],
  ['{"prompt":"x","expect":{"all":[{"faithfulTo":"y"}]}}', "line 1: it is no case"],
  ['{"id":"a","prompt":"x","expect":"y"}\n{"id":"a","prompt":"x","expect":"y"}', 'line 2: the id "a"'],
])("%j is refused, and the line is named", (text, problem) => {
  const result = read(text);
  expect(result.kind === "refused" && result.problems[0]).toContain(problem);
});

test("bytes that are no UTF-8 are refused, and no more than twenty problems are told", () => {
  expect(readTextCases(Uint8Array.of(0xff, 0xfe))).toEqual({
    kind: "refused",
    problems: ["the set is not UTF-8"],
  });
  const many = read("{\n".repeat(100));
  expect(many.kind === "refused" && many.problems).toHaveLength(20);
});
