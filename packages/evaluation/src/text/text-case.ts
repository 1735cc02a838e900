import { Compile, Type } from "@portolan/typebox";
import { Expectation, expectationProblem, Text } from "./expectation.ts";

const closed = { additionalProperties: false } as const;
const mostAnswerTokens = 4096;
const usualAnswerTokens = 512;
const Common = {
  id: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
  maxTokens: Type.Optional(Type.Integer({ minimum: 1, maximum: mostAnswerTokens })),
  expect: Expectation,
};
/** Of the version's own template; what there has to be, the version says when it is asked. */
const Variables = Type.Record(Type.String({ maxLength: 40 }), Type.String({ maxLength: 65_536 }), {
  minProperties: 1,
  maxProperties: 32,
});
const Line = Compile(
  Type.Union([
    Type.Object(
      {
        ...Common,
        messages: Type.Array(Type.Object({ role: Type.String({ minLength: 1, maxLength: 40 }) }), {
          minItems: 1,
          maxItems: 200,
        }),
        promptVariables: Type.Optional(Variables),
      },
      closed,
    ),
    Type.Object({ ...Common, prompt: Text, promptVariables: Type.Optional(Variables) }, closed),
    Type.Object({ ...Common, promptVariables: Variables }, closed),
    Type.Object(
      {
        id: Common.id,
        labelled: Type.Object({ answer: Text, faithfulTo: Text, isFaithful: Type.Boolean() }, closed),
      },
      closed,
    ),
  ]),
);

/** One question and what its answer must be. */
export interface TextCase {
  /** Unique in its set; the line's number where the line states none. */
  readonly id: string;
  /** `messages` are a chat's, a `prompt` a completion's; `prompt_variables` are those of the version's template, as callers send them. */
  readonly question: (
    | { readonly messages: readonly { readonly role: string }[] }
    | { readonly prompt: string }
  ) & { readonly prompt_variables?: Readonly<Record<string, string>> };
  /** Longest answer in tokens. */
  readonly maxTokens: number;
  readonly expect: Expectation;
}

/** An answer that people labelled, by which a judge itself is judged. */
export interface LabelledAnswer {
  /** Unique in its set. */
  readonly id: string;
  readonly source: string;
  readonly answer: string;
  readonly isFaithful: boolean;
}

export const mostCases = 5000;
export const mostSetBytes = 16 * 2 ** 20;
const mostProblems = 20;

/** What a set holds. */
export interface TextCases {
  readonly cases: readonly TextCase[];
  readonly labelled: readonly LabelledAnswer[];
}

export type ReadCases =
  | ({ readonly kind: "cases" } & TextCases)
  /** With the line of each, at most twenty. */
  | { readonly kind: "refused"; readonly problems: readonly string[] };

/** Reads a set of cases, one JSON object a line; empty lines are skipped. Pure. */
export function readTextCases(bytes: Uint8Array): ReadCases {
  if (bytes.length > mostSetBytes) return refused([`the set has more than ${mostSetBytes / 2 ** 20} MiB`]);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return refused(["the set is not UTF-8"]);
  }
  const problems: string[] = [];
  const cases: TextCase[] = [];
  const labelled: LabelledAnswer[] = [];
  const ids = new Set<string>();
  for (const [index, line] of text.split("\n").entries()) {
    if (problems.length >= mostProblems) break;
    if (line.trim() === "") continue;
    const read = readLine(line, String(index + 1));
    if (typeof read === "string") problems.push(`line ${index + 1}: ${read}`);
    else if (ids.has(read.id)) problems.push(`line ${index + 1}: the id "${read.id}" is there twice`);
    else {
      ids.add(read.id);
      if ("isFaithful" in read) labelled.push(read);
      else cases.push(read);
    }
  }
  if (problems.length > 0) return refused(problems);
  if (cases.length === 0) return refused(["the set has no cases"]);
  if (cases.length + labelled.length > mostCases)
    return refused([`the set has more than ${mostCases} cases`]);
  return { kind: "cases", cases, labelled };
}

function refused(problems: readonly string[]): ReadCases {
  return { kind: "refused", problems };
}

function readLine(line: string, number: string): TextCase | LabelledAnswer | string {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return "it is no JSON";
  }
  if (!Line.Check(value))
    return 'it is no case: an object of "messages", "prompt" or "promptVariables", and "expect" (a text, or one of exact, contains, regex, number, expression, json, leaksNothing, isRefusal, lacks, citesOnly, all, faithfulTo), or of "labelled"';
  if ("labelled" in value) {
    const { answer, faithfulTo: source, isFaithful } = value.labelled;
    return { id: value.id ?? number, source, answer, isFaithful };
  }
  const { id = number, maxTokens = usualAnswerTokens, expect } = value;
  const problem = expectationProblem(expect);
  if (problem !== undefined) return problem;
  const said =
    "prompt" in value ? { prompt: value.prompt } : { messages: "messages" in value ? value.messages : [] };
  const { promptVariables } = value;
  const question = { ...said, ...(promptVariables ? { prompt_variables: promptVariables } : {}) };
  return { id, question, maxTokens, expect };
}
