import fc from "fast-check";
import { expect, test } from "vitest";
import { repeatedName } from "./repeated-name.ts";

test("a name is found twice in one object alone, at any depth and however it is escaped", () => {
  expect(repeatedName('{"model":"a","n":1,"model":"b"}')).toBe("model");
  expect(repeatedName('{"m":[{"role":"user"},{"role":"user","content":"x","role" :"system"}]}')).toBe("role");
  expect(repeatedName('{"model":"a","\\u006dodel":"b"}')).toBe("model");
  expect(repeatedName('{"a\\\\":1,"a\\"":2,"a\\\\":3}')).toBe("a\\");
  expect(repeatedName('{"__proto__":1,"__proto__":2}')).toBe("__proto__");
  expect(repeatedName('{"":1,\n"" \t\r\n:2}')).toBe("");
});

test("values are no names, whatever they look like", () => {
  expect(repeatedName('{"a":{"a":["a","a",{"a":"a"}]},"b":{"a":"\\"a\\":1,\\"a\\":2"}}')).toBeUndefined();
  expect(repeatedName('{"a":"{","b":"}","c":"\\\\","d":"\\\\\\""}')).toBeUndefined();
  expect(repeatedName("[]")).toBeUndefined();
});

test("of what JSON.stringify writes nothing is refused, and with one member written again it is found", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 }), fc.nat(), (object, nth) => {
      const text = JSON.stringify(object, undefined, nth % 3);
      expect(repeatedName(text)).toBeUndefined();
      const names = Object.keys(JSON.parse(text) as object);
      const name = names[nth % names.length] ?? "";
      expect(repeatedName(`${text.slice(0, -1)},${JSON.stringify(name)}:[{}]}`)).toBe(name);
    }),
  );
});

test("a document of millions of brackets, backslashes or numbers takes no longer than its length", () => {
  const mebibytes = 4 * 2 ** 20;
  for (const text of [
    `{"a":"${"\\\\".repeat(mebibytes / 2)}"}`,
    `{"a":"${'\\"'.repeat(mebibytes / 2)}"}`,
    `{"a":[${"1,".repeat(mebibytes / 2)}1]}`,
    `{"a"${" ".repeat(mebibytes)}:1}`,
  ])
    expect(repeatedName(text)).toBeUndefined();
});
