import { toDuckDbSql } from "@portolan/expressions";
import { pickAggregates, type WindowFeature } from "../view-model.ts";

/** An aggregate of single values: nothing can be taken out of it again, as a number can out of a sum. */
export type PickFeature = WindowFeature & { readonly aggregate: (typeof pickAggregates)[number] };

export function isPick(feature: WindowFeature): feature is PickFeature {
  return (pickAggregates as readonly string[]).includes(feature.aggregate);
}

/** Beyond 2^31 a square does not fit in 64 bits: a window with such a value has no variance (F26). */
export const widest = 2 ** 31;
/** A numerator is taken in two parts, for every engine makes the same double of a 64-bit integer, and not of a larger one. */
const part = 2n ** 62n;

/** What is summed, as BIGINT; null takes no part. Nor does the smallest 64-bit integer: it has no negative to leave a sum with (F5). */
export function summandSql(feature: WindowFeature, table?: string): string {
  if (!feature.of) return "1::bigint";
  const sql = toDuckDbSql(feature.of, table);
  return feature.of.type === "bool" ? `(${sql})::bigint` : `nullif(${sql}, -9223372036854775807 - 1)`;
}

/** What is picked: BIGINT, DOUBLE or VARCHAR; null takes no part. */
export function pickedSql({ of }: PickFeature, table?: string): string {
  if (!of) return "1::bigint";
  return of.type === "bool" ? `(${toDuckDbSql(of, table)})::bigint` : toDuckDbSql(of, table);
}

/** How a `last` is ordered: by event, availability and value (F27, F60). */
export function stampedSql(event: string, available: string, value: string): string {
  return `struct_pack(e := ${event}, a := ${available}, v := ${value})`;
}

/** Square of a summand that is not too wide, and whether it is. */
export function squareSql(summand: string): string {
  return `case when abs(${summand}) <= ${widest} then (${summand}) * (${summand}) end`;
}

export function isWideSql(summand: string): string {
  return `case when abs(${summand}) > ${widest} then 1::bigint end`;
}

/** Names of exact sums over a window: HUGEINT expressions. */
export interface SumsSql {
  readonly count: string;
  readonly sum: string;
  /** Of squares, and how many values were too wide for one; of a variance only. */
  readonly squares: string;
  readonly wide: string;
}

/** Units of a scale in one, exactly a double; of squares for the power 2. */
export function unitsPerOne(scale: number, power: 1 | 2 = 1): number {
  return Number(`1e${scale * power}`);
}

/** Value of an aggregate from its sums. Of no event a count is zero, all else null; what leaves 64 bits is null (F4, F5); units are divided by (F64). */
export function sumValueSql(
  { aggregate, scale }: Pick<WindowFeature, "aggregate" | "scale">,
  { count, sum, squares, wide }: SumsSql,
): string {
  if (aggregate === "count") return `(${count})::bigint`;
  const whole = `try_cast(${sum} as bigint)`;
  const units = scale === undefined ? undefined : `'${unitsPerOne(scale)}'::double`;
  if (aggregate === "sum")
    return `case when ${count} > 0 then ${units ? `${whole}::double / ${units}` : whole} end`;
  const parts = units ? `((${count})::double * ${units})` : `(${count})::double`;
  if (aggregate === "mean") return `case when ${count} > 0 then ${whole}::double / ${parts} end`;
  const top = `((${count})::hugeint * (${squares}) - (${sum})::hugeint * (${sum}))`;
  const high = `try_cast(${top} // ${part} as bigint)::double * ${part}::double`;
  const low = `(${top} % ${part})::bigint::double`;
  const bottom = `try_cast((${count})::hugeint * (${count} - 1) as bigint)::double`;
  const squared = scale === undefined ? "" : ` / '${unitsPerOne(scale, 2)}'::double`;
  return `case when ${count} > 1 and ${wide} = 0 then (${high} + ${low}) / ${bottom}${squared} end`;
}

/** The same of the sums themselves, which have no wide value among them. */
export function sumValueOf(
  { aggregate, scale }: Pick<WindowFeature, "aggregate" | "scale">,
  { count, sum, squares }: { readonly count: number; readonly sum: bigint; readonly squares: bigint },
): number | null {
  if (aggregate === "count") return count;
  if (aggregate === "variance") {
    const variance = varianceOf(BigInt(count), sum, squares);
    return variance === null || scale === undefined ? variance : variance / unitsPerOne(scale, 2);
  }
  if (count === 0 || BigInt.asIntN(64, sum) !== sum) return null;
  const units = scale === undefined ? 1 : unitsPerOne(scale);
  return Number(sum) / (aggregate === "sum" ? units : count * units);
}

function varianceOf(count: bigint, sum: bigint, squares: bigint): number | null {
  if (count < 2n) return null;
  const top = count * squares - sum * sum;
  const high = top / part;
  if (BigInt.asIntN(64, high) !== high) return null;
  return (Number(high) * Number(part) + Number(top % part)) / Number(count * (count - 1n));
}
