import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDuckDbEngine } from "@portolan/duckdb";
import { isPortolanError } from "@portolan/kernel";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type ColumnTypes,
  type Expression,
  evaluate,
  expressionText,
  maxExpressionLength,
  parseExpression,
  type Row,
  toDuckDbSql,
  type Value,
} from "../src/index.ts";

/** docs/spec/expressions.md E1: `evaluate` and the DuckDB text agree on every expression and every row. */

const engine = createDuckDbEngine();
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-expressions-"));
});
afterAll(() => rm(folder, { recursive: true }));

const columns = {
  i: "int",
  j: "int",
  f: "float",
  g: "float",
  b: "bool",
  c: "bool",
  s: "text",
  u: "text",
  t: "instant",
  l: "local",
} as const satisfies ColumnTypes;
const sqlTypes = {
  int: "bigint",
  float: "double",
  bool: "boolean",
  text: "varchar",
  instant: "bigint",
  local: "bigint",
} as const;

const int64 = fc.oneof(
  fc.integer({ min: -9, max: 9 }).map(BigInt),
  fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
  fc.constantFrom(2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n + 1n),
);
const float = fc.oneof(
  fc.double(),
  fc.constantFrom(
    -0,
    0,
    0.1,
    0.5,
    -0.5,
    1.5,
    2.5,
    5e-324,
    1.7976931348623157e308,
    Number.NaN,
    Infinity,
    -Infinity,
    9.3e18,
    -9.3e18,
    2 ** 63,
    -(2 ** 63),
  ),
);
const text = fc.oneof(
  fc.constantFrom("", "a", "A", "it's", "\\", "é"),
  fc.string({ unit: "grapheme", maxLength: 4 }).filter((x) => !x.includes("\0")),
);
const time = fc.oneof(
  fc.bigInt(-4_000_000_000_000_000n, 4_000_000_000_000_000n),
  fc.constantFrom(-1n, 0n, 86_400_000_000n, -86_400_000_000n),
);
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { freq: 5 });
const row = fc.record({
  i: maybe(int64),
  j: maybe(int64),
  f: maybe(float),
  g: maybe(float),
  b: maybe(fc.boolean()),
  c: maybe(fc.boolean()),
  s: maybe(text),
  u: maybe(text),
  t: maybe(time),
  l: maybe(time),
}) as fc.Arbitrary<Row>;

/** Texts of well-typed expressions, by the grammar of the language. */
const grammar = fc.letrec<Record<"int" | "float" | "bool" | "text" | "time", string>>((tie) => {
  const paren = (parts: TemplateStringsArray, ...args: fc.Arbitrary<string>[]) =>
    fc
      .tuple(...args)
      .map((filled) => `(${parts.reduce((all, part, at) => `${all}${part}${filled[at] ?? ""}`, "")})`);
  const anyOf = (...names: string[]) => fc.constantFrom(...names);
  const sorts = ["int", "float", "bool", "text", "time"] as const;
  const ofAny = fc.oneof(...sorts.map((sort) => tie(sort)));
  const choices = (sort: (typeof sorts)[number]) => [
    paren`case when ${tie("bool")} then ${tie(sort)} else ${tie(sort)} end`,
    paren`case when ${tie("bool")} then ${tie(sort)} end`,
    fc.tuple(tie("bool"), tie(sort), tie(sort)).map(([a, x, y]) => `if(${a}, ${x}, ${y})`),
    fc.tuple(tie(sort), tie(sort)).map(([x, y]) => `coalesce(${x}, ${y})`),
  ];
  const pair = (sort: (typeof sorts)[number], ...operators: string[]) =>
    fc.tuple(tie(sort), anyOf(...operators), tie(sort)).map(([x, op, y]) => `(${x} ${op} ${y})`);
  const call = (name: string, sort: (typeof sorts)[number]) => tie(sort).map((x) => `${name}(${x})`);
  return {
    int: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      anyOf("i", "j", "0", "1", "7", "9223372036854775807", "3h"),
      pair("int", "+", "-", "*", "//", "%"),
      tie("int").map((x) => `(-${x})`),
      call("abs", "int"),
      call("floor", "float"),
      call("ceil", "float"),
      call("hour", "time"),
      call("minute", "time"),
      call("dow", "time"),
      paren`t - t`,
      ...choices("int"),
    ),
    float: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      anyOf("f", "g", "0.0", "1.5", "1e300"),
      pair("float", "+", "-", "*", "/"),
      paren`${tie("int")} / ${tie("int")}`,
      paren`${tie("int")} + ${tie("float")}`,
      tie("float").map((x) => `(-${x})`),
      call("abs", "float"),
      call("float", "int"),
      ...choices("float"),
    ),
    bool: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      anyOf("b", "c", "true", "false"),
      pair("int", "=", "!=", "<", "<=", ">", ">="),
      pair("float", "=", "!=", "<", "<=", ">", ">="),
      pair("text", "=", "<>"),
      pair("time", "<", ">=", "="),
      pair("bool", "and", "or", "="),
      tie("bool").map((x) => `(not ${x})`),
      paren`${ofAny} is null`,
      paren`${ofAny} is not null`,
      paren`${tie("int")} in (${tie("int")}, ${tie("int")})`,
      paren`${tie("text")} in (${tie("text")}, 'a')`,
      ...choices("bool"),
    ),
    text: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      anyOf("s", "u", "'a'", "''", "'it''s'"),
      ...choices("text"),
    ),
    time: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      anyOf("t"),
      paren`t + ${tie("int")}`,
      paren`t - 90min`,
      ...choices("time"),
    ),
  };
});
const expression = fc.oneof(grammar.int, grammar.float, grammar.bool, grammar.text, grammar.time);

const literal = (value: Value | undefined, type: keyof typeof sqlTypes): string => {
  if (value === null || value === undefined) return "null";
  if (typeof value === "string") return `'${value.replaceAll("'", "''")}'`;
  if (typeof value === "number")
    return `'${Object.is(value, -0) ? "-0.0" : String(value)}'::${sqlTypes[type]}`;
  if (typeof value === "bigint") return `'${value}'::bigint`;
  return String(value);
};
/** One form for both sides: integers as text, floats by their bits, so that not even the sign of zero may differ. */
const canonical = (value: unknown): unknown =>
  typeof value === "bigint"
    ? String(value)
    : typeof value === "number"
      ? Buffer.from(new Float64Array([value]).buffer).toString("hex")
      : value;

function parse(source: string): Expression | undefined {
  try {
    return parseExpression(source, columns);
  } catch (error) {
    // An untyped null or too deep a nesting is refused with a code; anything else is a fault.
    if (isPortolanError(error) && String(error.code).startsWith("expressions.")) return undefined;
    throw error;
  }
}

test("the text of a typed form is read back into the same form (E8)", () => {
  let read = 0;
  fc.assert(
    fc.property(expression, (source) => {
      const tree = parse(source);
      if (!tree || expressionText(tree).length > maxExpressionLength) return;
      expect(parseExpression(expressionText(tree), columns), source).toEqual(tree);
      read += 1;
    }),
    { numRuns: 500 },
  );
  expect(read).toBeGreaterThan(300);
  for (const [source, text] of [
    ["((i + j) + 7)", "i + j + 7"],
    ["i - (j - 1)", "i - (j - 1)"],
    ["not (b and c) or (i < 1) = b", "not (b and c) or (i < 1) = b"],
    ["if(b, 1, if(c, 2, 3)) + 0", "case when b then 1 when c then 2 else 3 end + 0"],
    ["f * 2 > 1", "f * float(2) > float(1)"],
    ["t + 1h", "t + 3600000000"],
  ] as const)
    expect(expressionText(parseExpression(source, columns))).toBe(text);
});

test("evaluate and DuckDB agree on every expression, to the last bit", async () => {
  let compared = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(expression, { minLength: 25, maxLength: 40 }),
      fc.array(row, { minLength: 8, maxLength: 8 }),
      async (sources, rows) => {
        const parsed = sources
          .flatMap((source) => {
            const tree = parse(source);
            return tree ? [{ source, tree, sql: sqlOf(tree) }] : [];
          })
          .filter(({ sql }) => sql !== undefined);
        const names = Object.keys(columns) as (keyof typeof columns)[];
        const tuples = rows.map(
          (one, at) => `(${at}, ${names.map((name) => literal(one[name], columns[name])).join(", ")})`,
        );
        const { rows: answers } = await engine.run({
          statements: [
            {
              sql: `create table r (n bigint, ${names.map((name) => `${name} ${sqlTypes[columns[name]]}`).join(", ")})`,
            },
            { sql: `insert into r values ${tuples.join(", ")}` },
            ...parsed.map(({ sql }, at) => ({
              sql: `select ${sql} as value from r order by n`,
              returns: `e${at}`,
            })),
          ],
          readable: [],
          workFolder: folder,
        });
        for (const [at, { source, tree }] of parsed.entries()) {
          const theirs = (answers[`e${at}`] ?? []).map(({ value }) =>
            canonical(
              tree.op !== "literal" && tree.type === "float" && typeof value === "string"
                ? Number(value)
                : value,
            ),
          );
          const ours = rows.map((one) => canonical(evaluate(tree, one)));
          expect(
            theirs,
            `${source} over ${JSON.stringify(rows, (_, v: unknown) => (typeof v === "bigint" ? `${v}n` : v))}`,
          ).toEqual(ours);
          compared += ours.length;
        }
      },
    ),
    { numRuns: 15, endOnFailure: true },
  );
  expect(compared).toBeGreaterThan(1000);
});

test("texts are equal when their code points are, in both executors and whatever the locale (E9)", async () => {
  // Case, accents in two normal forms, ligatures, widths, a locale's own letters, an invisible character, another plane.
  const texts = [
    "a",
    "A",
    "é",
    "e\u0301",
    "ß",
    "ss",
    "ı",
    "i",
    "İ",
    "ﬁ",
    "fi",
    "１",
    "1",
    "a\u200b",
    "😀",
    "\ufffd",
    "",
  ];
  const tree = parseExpression("s = u or s in (u, u)", columns);
  const pairs = texts.flatMap((s) => texts.map((u) => ({ s, u })));
  const values = pairs.map(({ s, u }, at) => `(${at}, ${literal(s, "text")}, ${literal(u, "text")})`);
  const { rows } = await engine.run({
    statements: [
      { sql: `create table r as select * from (values ${values.join(", ")}) as t(n, s, u)` },
      { sql: `select ${toDuckDbSql(tree)} as value from r order by n`, returns: "equal" },
      { sql: "select distinct s from r order by s", returns: "sorted" },
    ],
    readable: [],
    workFolder: folder,
  });
  const same = pairs.map(({ s, u }) => s === u);
  expect(pairs.map((pair) => evaluate(tree, pair))).toEqual(same);
  expect((rows["equal"] ?? []).map(({ value }) => value)).toEqual(same);
  const byBytes = texts.toSorted((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));
  expect((rows["sorted"] ?? []).map(({ s }) => s)).toEqual(byBytes);
});

function sqlOf(tree: Expression): string | undefined {
  try {
    return toDuckDbSql(tree);
  } catch (error) {
    if (isPortolanError(error) && error.code === "expressions.syntax") return undefined;
    throw error;
  }
}
