import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodePrompt, promptProblems, readPrompt, type StatedPrompt, templateParts } from "./prompt.ts";

const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));
const name = fc.stringMatching(/^[a-z][a-z0-9_]{0,39}$/);

describe("a template", () => {
  test("has the variables that it was written with, and its text between them", () => {
    const piece = fc.oneof(
      name.map((one) => ({ kind: "variable" as const, name: one })),
      fc
        .string({ minLength: 1, unit: "grapheme" })
        .filter((text) => !text.includes("{"))
        .map((text) => ({ kind: "text" as const, text })),
    );
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const template = pieces.map((one) => (one.kind === "text" ? one.text : `{{${one.name}}}`)).join("");
        const read = templateParts(template) ?? [];
        const said = read.map((one) => (one.kind === "text" ? one.text : `{{${one.name}}}`)).join("");
        expect(said).toBe(template);
        const names = (of: readonly { kind: string; name?: string }[]) => of.flatMap((one) => one.name ?? []);
        expect(names(read)).toEqual(names(pieces));
      }),
    );
  });

  test("has nothing but names between its braces", () => {
    for (const odd of [
      "{{ name }}",
      "{{Name}}",
      "{{name",
      "{{}}",
      "{{a.b}}",
      "{{constructor()}}",
      "{{#if a}}",
      "{{1a}}",
      `{{${"a".repeat(41)}}}`,
      "{{a}} and {{b",
      "{{{{a}}",
    ])
      expect(templateParts(odd), odd).toBeUndefined();
    expect(templateParts("{{{a}}} }} { {")).toEqual([
      { kind: "text", text: "{" },
      { kind: "variable", name: "a" },
      { kind: "text", text: "} }} { {" },
    ]);
  });

  test("of the largest size that is all braces is judged at once", () => {
    const start = performance.now();
    expect(templateParts("{".repeat(65_536))).toBeUndefined();
    expect(templateParts("{{a".repeat(21_000))).toBeUndefined();
    expect(performance.now() - start).toBeLessThan(500);
  });
});

describe("a prompt", () => {
  const whole: StatedPrompt = {
    system: "You answer in one word.",
    template: "Colour of {{thing}} in {{place}}?",
    sampling: {
      temperature: { default: 0.2, minimum: 0, maximum: 0.5 },
      maxTokens: { default: 10, maximum: 20 },
    },
  };

  test("is read as it was written, and the same words are the same bytes", () => {
    expect(readPrompt(encodePrompt(whole))).toEqual({ format: "portolan.prompt/1", ...whole });
    const { system, template, sampling } = whole;
    expect(encodePrompt({ sampling, template, system } as StatedPrompt)).toEqual(encodePrompt(whole));
    expect(encodePrompt({ ...whole, system: "You answer in two words." })).not.toEqual(encodePrompt(whole));
  });

  test("with bounds that hold nothing, or a template that is none, says what is wrong", () => {
    const problems = (over: object) => promptProblems({ ...whole, ...over }).join("; ");
    expect(problems({})).toBe("");
    expect(problems({ template: "{{a b}}" })).toContain("begins no {{variable}}");
    expect(problems({ sampling: { temperature: { default: 1, maximum: 0.5 } } })).toContain("temperature");
    expect(problems({ sampling: { topP: { default: 0.5, minimum: 0.9, maximum: 0.8 } } })).toContain("topP");
    expect(problems({ sampling: { maxTokens: { default: 9, maximum: 8 } } })).toContain("maxTokens");
    expect(problems({ system: "half \ud800 of one" })).toContain("surrogate");
    const many = (count: number) => Array.from({ length: count }, (_, at) => `{{v${at}}}`).join("");
    expect(problems({ template: many(33) })).toContain("more than 32 variables");
    expect(problems({ template: `${many(32)}${many(32)}` })).toBe("");
  });

  test("of another form is none, whatever the bytes are", () => {
    const sound = { format: "portolan.prompt/1", ...whole };
    expect(readPrompt(bytes(sound))).toBeDefined();
    for (const odd of [
      { ...sound, format: "portolan.prompt/2" },
      { ...sound, code: "return 1" },
      { ...sound, system: "" },
      { ...sound, system: "a".repeat(65_537) },
      { ...sound, template: "{{a b}}" },
      { ...sound, sampling: {} },
      { ...sound, sampling: { temperature: { default: 3 } } },
      { ...sound, sampling: { temperature: { maximum: 1 } } },
      { ...sound, sampling: { maxTokens: { default: 1.5 } } },
      { ...sound, sampling: { topP: { default: 0 } } },
      null,
      [],
      "text",
    ])
      expect(readPrompt(bytes(odd)), JSON.stringify(odd)?.slice(0, 80)).toBeUndefined();
    expect(readPrompt(Buffer.from([0xff, 0xfe]))).toBeUndefined();
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(readPrompt(bytes(value))).toBeUndefined();
      }),
    );
  });
});
