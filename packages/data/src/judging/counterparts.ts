import { quoteName, quoteText } from "@portolan/expressions";
import type { AnalysisStatement } from "../analysis.ts";
import type { ColumnType, Relationship } from "../contracts/contract-model.ts";
import { ruleLabel } from "../rules/rule-label.ts";
import type { Value } from "../values/parse-value.ts";

/**
 * Files of accepted rows by the contract that they belong to: what foreign keys are looked up in. Null where nothing is published: then nothing is
 * found. A relationship whose contract is absent is not judged.
 */
export type CounterpartFiles = Readonly<Record<string, string | null>>;

/** Keys that a relationship finds, as `keyText` writes them; by the relationship's name. */
export type CounterpartKeys = Readonly<Record<string, ReadonlySet<string>>>;

const tableOf = (index: number): string => `counterpart_${index}`;

/** Tables of the keys that relationships may refer to; a key of which a part is null is nobody's counterpart. */
export function counterpartStatements(
  relationships: readonly Relationship[],
  files: CounterpartFiles,
): AnalysisStatement[] {
  return relationships.map(({ target }, index) => {
    const path = files[target.contract];
    const keys = path ? distinctKeys(target.columns, path) : noKeys(target.columns);
    return { sql: `create table ${tableOf(index)} as ${keys}`, note: `reading keys of ${target.contract}` };
  });
}

/** Of a type that no value has to be read as: it is the side without values that is converted. */
function noKeys(columns: readonly string[]): string {
  return `select ${columns.map((_, position) => `null::varchar as _k${position}`).join(", ")} where false`;
}

function distinctKeys(columns: readonly string[], path: string): string {
  const keys = columns.map((name, position) => `${quoteName(name)} as _k${position}`);
  const whole = columns.map((name) => `${quoteName(name)} is not null`);
  return `select distinct ${keys.join(", ")} from read_parquet(${quoteText(path)}, hive_partitioning = false) where ${whole.join(" and ")}`;
}

/** Whether a row refers to nothing that is there, as SQL over the relation `of`. */
export function danglingSql({ columns }: Relationship, index: number, of: string): string {
  const cells = columns.map((name) => `${of}.${quoteName(name)}`);
  const whole = cells.map((cell) => `${cell} is not null`);
  const equal = cells.map((cell, position) => `c._k${position} = ${cell}`);
  return `(${whole.join(" and ")} and not exists (select 1 from ${tableOf(index)} as c where ${equal.join(" and ")}))`;
}

/** The label of a rule in an annotation, where the row breaks it. */
export function danglingLabelSql(relationship: Relationship, index: number, of: string): string {
  return `case when ${danglingSql(relationship, index, of)} then ${quoteText(ruleLabel(relationship))} end`;
}

/** Writes the keys of a relationship's counterparts as JSON lines, each an array of texts, into `path`. */
export function keyLinesSql(
  { target }: Relationship,
  types: readonly ColumnType[],
  files: { readonly from: string; readonly to: string; readonly most: number },
): string {
  const texts = types.map((type, position) => textSql(`_k${position}`, type));
  return `copy (select [${texts.join(", ")}] as k from (${distinctKeys(target.columns, files.from)}) limit ${files.most}) to ${quoteText(files.to)} (format json)`;
}

/** A stored value as text, as `String` writes what the validator reads for it. */
function textSql(column: string, type: ColumnType): string {
  if (type === "date") return `date_diff('day', date '1970-01-01', ${column})::varchar`;
  if (type === "time") return `epoch_us(${column})::varchar`;
  return `${column}::varchar`;
}

/** One key as one text; undefined where a part of it is not there. */
export function keyText(values: readonly (Value | null | undefined)[]): string | undefined {
  if (values.some((value) => value === null || value === undefined)) return undefined;
  return JSON.stringify(values.map(String));
}
