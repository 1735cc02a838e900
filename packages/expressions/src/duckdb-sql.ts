import { PortolanError } from "@portolan/kernel";
import type { ExpressionErrorCode } from "./errors.ts";
import type { Expression, Operation } from "./ir.ts";

/** Checked arithmetic names its operand more than once, so deep nesting doubles the text; this is where it stops. */
const maxSqlLength = 100_000;

/** A name as SQL wants it; quotes inside are doubled. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A text literal; DuckDB knows no backslash escapes in plain literals. */
export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/**
 * DuckDB text with exactly the semantics of `evaluate`. Columns are named bare, or under `table` when given; `int`, `instant`
 * and `local` columns are BIGINT, floats DOUBLE, texts VARCHAR, bools BOOLEAN.
 */
export function toDuckDbSql(expression: Expression, table?: string): string {
  if (expression.op === "column") {
    const name = `${table ? `${quoteName(table)}.` : ""}${quoteName(expression.name)}`;
    return expression.type === "float" ? finite(name) : name;
  }
  if (expression.op === "literal") return literal(expression);
  const args = expression.args.map((arg) => toDuckDbSql(arg, table));
  const sql = call(expression.fn, args, expression.args[0]?.type === "float");
  if (sql.length > maxSqlLength) {
    throw new PortolanError<ExpressionErrorCode>("expressions.syntax", {
      detail: "the expression is nested too deeply to run",
      mend: "Split it into several features, or nest fewer arithmetic operations in one another.",
    });
  }
  return sql;
}

function literal(expression: Extract<Expression, { op: "literal" }>): string {
  switch (expression.type) {
    case "int":
      return `${expression.value}::bigint`;
    case "float":
      return `${expression.value}::double`;
    case "text":
      return quoteText(expression.value);
    case "bool":
      return String(expression.value);
    case "null":
      return "null";
  }
}

const symbols: Partial<Record<Operation, string>> = {
  add: "+",
  subtract: "-",
  multiply: "*",
  eq: "=",
  ne: "<>",
  lt: "<",
  le: "<=",
  gt: ">",
  ge: ">=",
  and: "and",
  or: "or",
};

// oxlint-disable-next-line max-lines-per-function -- one line per operation; splitting it would hide that it is complete
function call(fn: Operation, args: readonly string[], float: boolean): string {
  const [a = "null", b = "null", c = "null"] = args;
  switch (fn) {
    case "add":
    case "subtract":
    case "multiply":
      return float
        ? finite(`(${a} ${symbols[fn]} ${b})`)
        : ranged(`(${a})::hugeint ${symbols[fn]} (${b})::hugeint`);
    case "divide":
      return finite(`((${a})::double / nullif((${b})::double, 0))`);
    case "floor_divide":
      return ranged(floorDivide(a, b));
    case "modulo":
      return ranged(`(${a})::hugeint - (${b})::hugeint * (${floorDivide(a, b)})`);
    case "negate":
      return float ? finite(`(-(${a}))`) : ranged(`-((${a})::hugeint)`);
    case "abs":
      return float ? `abs(${a})` : ranged(`abs((${a})::hugeint)`);
    case "eq":
    case "ne":
    case "lt":
    case "le":
    case "gt":
    case "ge":
    case "and":
    case "or":
      return `(${a} ${symbols[fn]} ${b})`;
    case "not":
      return `(not ${a})`;
    case "is_null":
      return `(${a} is null)`;
    case "in":
      return `(${a} in (${args.slice(1).join(", ")}))`;
    case "if":
      return `(case when ${a} then ${b} else ${c} end)`;
    case "coalesce":
      return `coalesce(${args.join(", ")})`;
    case "floor":
    case "ceil":
      return `try_cast(${fn}(${a}) as bigint)`;
    case "float":
      return `(${a})::double`;
    case "hour":
      return `(${inDay(a)} // 3600000000)`;
    case "minute":
      return `((${inDay(a)} // 60000000) % 60)`;
    case "dow":
      // HUGEINT: the midnight before the first 64-bit instant is beyond 64 bits.
      return `((((((${a})::hugeint - ${inDay(a)}) // 86400000000) + 4) % 7 + 7) % 7)::bigint`;
  }
}

/** Rule E3: an integer beyond 64 bits is null. HUGEINT holds every sum and product of two 64-bit integers. */
function ranged(sql: string): string {
  return `try_cast(${sql} as bigint)`;
}

/** Rule E4; adding zero makes the one zero. */
function finite(sql: string): string {
  return `(case when isfinite(${sql}) then ${sql} + 0.0::double end)`;
}

/** DuckDB's `//` truncates; ours floors. */
function floorDivide(a: string, b: string): string {
  const [x, y] = [`(${a})::hugeint`, `nullif((${b})::hugeint, 0)`];
  return `(${x} // ${y} - (case when (${x} % ${y} <> 0) and ((${x} < 0) <> (${y} < 0)) then 1 else 0 end))`;
}

/** Microseconds since midnight, also before 1970. */
function inDay(a: string): string {
  return `(((${a}) % 86400000000 + 86400000000) % 86400000000)`;
}
