import { expect, test } from "vitest";
import {
  columnsOf,
  evaluate,
  expressionDigest,
  maxExpressionLength,
  parseExpression,
  toDuckDbSql,
  type Value,
} from "./index.ts";

const columns = { a: "int", f: "float", s: "text", t: "instant", ok: "bool" } as const;
const parse = (text: string) => parseExpression(text, columns);
const value = (text: string, row: Record<string, Value> = {}): Value => evaluate(parse(text), row);

test("spaces and redundant brackets do not change the digest, and anything else does (E7)", () => {
  expect(expressionDigest(parse(" ( a+1 )*2"))).toBe(expressionDigest(parse("(a + 1) * 2")));
  expect(expressionDigest(parse("a + 1 * 2"))).not.toBe(expressionDigest(parse("(a + 1) * 2")));
});

test("precedence is or, and, not, comparison, sum, product, sign", () => {
  expect(value("true or false and false")).toBe(true);
  expect(value("not 1 = 2")).toBe(true);
  expect(value("2 + 3 * 4")).toBe(14n);
  expect(value("-2 * 3")).toBe(-6n);
  expect(value("10 - 3 - 2")).toBe(5n);
});

test("integer division rounds down and the remainder has the sign of the divisor", () => {
  expect([value("-7 // 2"), value("-7 % 2"), value("7 // -2"), value("7 % -2")]).toEqual([-4n, 1n, -4n, -1n]);
});

test("what has no value is null and nothing throws (E2, E3, E4)", () => {
  for (const text of [
    "1 / 0",
    "1 // 0",
    "1 % 0",
    "9223372036854775807 + 1",
    "1e308 * 10.0",
    "a + 1",
    "floor(1e300)",
  ])
    expect(value(text), text).toBeNull();
  expect(value("f", { f: Number.NaN })).toBeNull();
});

test("logic is three-valued (E5)", () => {
  expect(value("ok and false")).toBe(false);
  expect(value("ok or true")).toBe(true);
  expect(value("ok and true")).toBeNull();
  expect(value("s in ('x', 'y')", { s: "z" })).toBe(false);
  expect(value("1 in (2, a)")).toBeNull();
  expect(value("1 in (1, a)")).toBe(true);
});

test("a duration is microseconds, and a time has parts also before 1970", () => {
  expect(value("90min")).toBe(5_400_000_000n);
  expect([value("hour(t)", { t: -1n }), value("minute(t)", { t: -1n }), value("dow(t)", { t: 0n })]).toEqual([
    23n,
    59n,
    4n,
  ]);
});

test.each([
  ["a +", "expressions.syntax", 4],
  ["a $ 1", "expressions.syntax", 3],
  ["foo(a)", "expressions.syntax", 1],
  ["99999999999999999999", "expressions.syntax", 1],
  ["constructor", "expressions.type", 1],
  ["a + s", "expressions.type", undefined],
  ["t + t", "expressions.type", undefined],
  // Texts have no order (E9).
  ["s < 'b'", "expressions.type", undefined],
  ["s >= s", "expressions.type", undefined],
  ["case when a then 1 end", "expressions.type", undefined],
  ["'x", "expressions.syntax", 1],
  ["; drop table x", "expressions.syntax", 1],
])("%s is refused with its place", (text, code, column) => {
  expect(() => parse(text)).toThrow(
    expect.objectContaining({ code, ...(column ? { at: { column } } : {}) }) as Error,
  );
});

test("there is no word for a clock, for chance, for a file or for another row (E6)", () => {
  for (const text of [
    "now()",
    "random()",
    "read_text('x')",
    "lag(a)",
    "sum(a)",
    "(select 1)",
    "current_date",
  ])
    expect(() => parse(text), text).toThrow(
      expect.objectContaining({
        code: expect.stringMatching(/^expressions\.(syntax|type)$/) as string,
      }) as Error,
    );
});

test("no input exhausts the stack or the compiler", () => {
  expect(() => parse(`${"(".repeat(900)}1${")".repeat(900)}`)).toThrow(/nested deeper/);
  expect(() => parse("1".repeat(maxExpressionLength + 1))).toThrow(/longer than/);
  expect(parse(`${"not ".repeat(400)}ok`).type).toBe("bool");
  const deep = "a" + " // a".repeat(200);
  expect(() => toDuckDbSql(parse(deep))).toThrow(/nested too deeply/);
});

test("names and texts cannot leave their quotes", () => {
  const evil = parseExpression("x", { x: "int" });
  expect(toDuckDbSql({ ...evil, name: 'a"; drop table x; --' } as typeof evil)).toBe(
    '"a""; drop table x; --"',
  );
  expect(toDuckDbSql(parse("'it''s'"))).toBe("'it''s'");
  expect(columnsOf(parse("a + a * 2 > 1 and s = 'x'"))).toEqual(["a", "s"]);
});
