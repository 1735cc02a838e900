import { RE2JS } from "re2js";
import type { NamedRowRule, RangeBound } from "../contracts/contract-model.ts";
import { type JsonCell, membersOf } from "../values/json-cell.ts";
import type { Value } from "../values/parse-value.ts";
import { nestedCheck } from "./nested-rule.ts";
import { multipleTolerance } from "./rule-sql.ts";

/** Whether a value breaks a rule; `undefined` is a value that is not there, and breaks none of these. */
export type RuleCheck = (value: Value) => boolean;

/** Compiles a rule, all but `required`, into a check of the same meaning as `brokenSql`. Pure. */
export function compileRule(rule: Exclude<NamedRowRule, { readonly kind: "required" }>): RuleCheck {
  switch (rule.kind) {
    case "range":
      return rangeCheck(rule.bound, rule.limit);
    case "length":
      return sizeCheck(rule, (value) => (typeof value === "string" ? codePoints(value) : undefined));
    case "size":
      return sizeCheck(rule, (value) => {
        const cell = jsonOf(value);
        return cell === undefined ? undefined : (membersOf(cell)?.size ?? itemsOf(cell)?.length);
      });
    case "unique_items":
      return (value) => {
        const texts = itemsOf(jsonOf(value) ?? null)?.map(identity) ?? [];
        return new Set(texts).size < texts.length;
      };
    case "member":
      return (value) => membersOf(jsonOf(value) ?? null)?.has(rule.member) === false;
    case "pattern": {
      // Linear in the text, and the dialect of DuckDB: an event cannot make a contract's pattern run for minutes.
      const pattern = RE2JS.compile(rule.pattern);
      return (value) => typeof value === "string" && !pattern.matcher(value).find();
    }
    case "valid_values": {
      const values = new Set(rule.values.map((value) => (typeof value === "number" ? value + 0 : value)));
      return (value) => !values.has(typeof value === "bigint" ? exactNumber(value) : (value as string));
    }
    case "nested":
      return nestedCheck(rule, compileRule({ ...rule.rule, name: rule.name }));
    case "nested_type":
    case "nested_required":
      return nestedCheck(rule, () => false);
  }
}

/** A listed number is exact up to 2^53; beyond, no integer is equal to any. */
function exactNumber(value: bigint): number {
  const number = Number(value);
  return BigInt(number) === value ? number : Number.NaN;
}

function jsonOf(value: Value): JsonCell | undefined {
  return typeof value === "object" ? value.json : undefined;
}

function itemsOf(cell: JsonCell): readonly JsonCell[] | undefined {
  return Array.isArray(cell) ? (cell as readonly JsonCell[]) : undefined;
}

/** Two JSON values are the same when these texts are: 1.0 and 1.00 are, 1 and 1.0 are not (one is an integer). */
function identity(cell: JsonCell): string {
  if (typeof cell === "string" || typeof cell === "boolean" || cell === null) return JSON.stringify(cell);
  if ("number" in cell)
    return /^-?[0-9]+$/.test(cell.number) ? cell.number : `float ${String(Number(cell.number))}`;
  const members = membersOf(cell);
  if (members)
    return `{${[...members].map(([key, one]) => `${JSON.stringify(key)}:${identity(one)}`).join()}}`;
  return `[${(cell as readonly JsonCell[]).map(identity).join()}]`;
}

function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

function sizeCheck(
  { bound, limit }: { readonly bound: "min" | "max"; readonly limit: number },
  size: (value: Value) => number | undefined,
): RuleCheck {
  return (value) => {
    const found = size(value);
    return found !== undefined && (bound === "min" ? found < limit : found > limit);
  };
}

function rangeCheck(bound: RangeBound, limit: number): RuleCheck {
  if (bound === "multiple_of") return (value) => !isMultiple(value, limit);
  const compare = {
    // A 64-bit integer and a double compare exactly in JavaScript.
    min: (value: bigint | number) => value < limit,
    max: (value: bigint | number) => value > limit,
    exclusive_min: (value: bigint | number) => value <= limit,
    exclusive_max: (value: bigint | number) => value >= limit,
  }[bound];
  return (value) => (typeof value === "bigint" || typeof value === "number") && compare(value);
}

function isMultiple(value: Value, of: number): boolean {
  if (typeof value === "bigint" && Number.isSafeInteger(of)) return value % BigInt(of) === 0n;
  const quotient = Number(value) / of;
  return Math.abs(quotient - Math.round(quotient)) <= multipleTolerance * Math.max(1, Math.abs(quotient));
}
