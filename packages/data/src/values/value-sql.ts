import { quoteText } from "@portolan/expressions";
import { isUtc, type ReadableColumn } from "./parse-value.ts";
import { quantisedSql } from "./quantise.ts";
import { falseWords, textForms, trueWords } from "./text-forms.ts";

/** SQL of `parseText`: the value of a VARCHAR expression, or null. */
export function textValueSql(column: ReadableColumn, text: string): string {
  if (column.type === "string") return text;
  return scaledSql(column, plainTextSql(column, text));
}

function plainTextSql(column: ReadableColumn, text: string): string {
  const trimmed = `trim(${text}, ' ')`;
  return column.format
    ? trimmedValueSql(column, isoSql(trimmed, column.format.pattern, column.format.replacement))
    : trimmedValueSql(column, trimmed);
}

function scaledSql({ type, scale }: ReadableColumn, value: string): string {
  return type === "number" && scale !== undefined ? quantisedSql(value, scale) : value;
}

function isoSql(text: string, pattern: string, replacement: string): string {
  const whole = quoteText(`^(?:${pattern})$`);
  return `case when regexp_matches(${text}, ${whole}) then regexp_replace(${text}, ${whole}, ${quoteText(replacement)}) end`;
}

function trimmedValueSql({ type, defaultTimeZone }: ReadableColumn, text: string): string {
  const when = (form: string, value: string): string =>
    `(case when regexp_full_match(${text}, ${quoteText(form)}) then ${value} end)`;
  switch (type) {
    case "integer":
      return when(textForms.integer, `try_cast(regexp_replace(${text}, '\\.0+$', '') as bigint)`);
    case "number":
      return when(textForms.number, finiteSql(`try_cast(${text} as double)`));
    case "boolean":
      return `(case when lower(${text}) in (${words(trueWords)}) then true when lower(${text}) in (${words(falseWords)}) then false end)`;
    case "date":
      return when(textForms.date, `try_cast(${text} as date)`);
    case "time":
      return when(textForms.time, `try_cast(${text} as time)`);
    case "local":
      return when(textForms.local, `epoch_us(try_cast(${text} as timestamp))`);
    case "instant":
      return when(textForms.instant, instantSql(text, defaultTimeZone));
    default:
      return "null";
  }
}

function words(list: readonly string[]): string {
  return list.map(quoteText).join(", ");
}

/** There is one zero, and no infinity. */
function finiteSql(value: string): string {
  return `(case when isfinite(${value}) then ${value} + 0.0::double end)`;
}

function instantSql(text: string, zone: string | undefined): string {
  const utc = `epoch_us(try_cast(${text} as timestamptz))`;
  if (isUtc(zone)) return utc;
  const naive = `epoch_us(try_cast(${text} as timestamp))`;
  return `(case when regexp_matches(${text}, '(Z|[+-][0-9]{2}(:?[0-9]{2})?)$') and length(${text}) > 16 then ${utc} else ${zonedSql(naive, zone ?? "UTC")} end)`;
}

/**
 * The instant of a wall clock, in microseconds, by the rule of `zonedInstant`: a time that exists twice is the earlier one, one that does
 * not exist moves forward. The engine alone takes the later of two.
 */
export function zonedSql(local: string, zone: string): string {
  const name = quoteText(zone);
  const utc = (at: string): string => `epoch_us(timezone(${name}, make_timestamp(${at})))`;
  const earlier = `(${local} + ${utc(`(${local} - 21600000000)`)} - (${local} - 21600000000))`;
  return `(case when epoch_us(timezone(${name}, make_timestamptz(${earlier}))) = ${local} then ${earlier} else ${utc(local)} end)`;
}

/** SQL of `parseJson`: the value of a JSON expression, or null. */
export function jsonValueSql(column: ReadableColumn, json: string): string {
  return scaledSql(column, plainJsonSql(column, json));
}

function plainJsonSql(column: ReadableColumn, json: string): string {
  const kind = `json_type(${json})`;
  const text = `(${json} ->> '$')`;
  const ofText = `when ${kind} = 'VARCHAR' then ${column.type === "string" ? text : plainTextSql(column, text)}`;
  const float = `(${json})::double`;
  switch (column.type) {
    case "object":
    case "array":
      return `(case when ${kind} = '${column.type.toUpperCase()}' then ${json} end)`;
    case "integer":
      return `(case ${ofText} when ${kind} in ('BIGINT', 'UBIGINT') then try_cast(${text} as bigint)
        when ${kind} = 'DOUBLE' and ${float} = trunc(${float}) and abs(${float}) <= 9007199254740992 then ${float}::bigint end)`;
    case "number":
      return `(case ${ofText} when ${kind} in ('BIGINT', 'UBIGINT', 'DOUBLE') then ${finiteSql(`try_cast(${text} as double)`)} end)`;
    case "boolean":
      return `(case ${ofText} when ${kind} = 'BOOLEAN' then ${text} = 'true' when ${kind} in ('BIGINT', 'UBIGINT') and ${text} in ('0', '1') then ${text} = '1' end)`;
    default:
      return `(case ${ofText} end)`;
  }
}

/**
 * The value of a typed expression, as Parquet has them: a text in it reads like any text, all else is cast where nothing is lost.
 * Null when it is none of the column's type.
 */
export function typedValueSql(column: ReadableColumn, value: string): string {
  if (column.type === "string") return `try_cast(${value} as varchar)`;
  const plain = `(case when typeof(${value}) = 'VARCHAR' then ${plainTextSql(column, `${value}::varchar`)} else ${castSql(column, value)} end)`;
  return scaledSql(column, plain);
}

function castSql({ type, defaultTimeZone }: ReadableColumn, value: string): string {
  switch (type) {
    case "boolean":
      return `try_cast(${value} as boolean)`;
    case "number":
      return finiteSql(`try_cast(${value} as double)`);
    case "integer":
      // A cast alone would round 1.5 to 2.
      return `(case when try_cast(${value} as double) = try_cast(${value} as bigint)::double then try_cast(${value} as bigint) end)`;
    case "date":
      return `try_cast(${value} as date)`;
    case "time":
      return `try_cast(${value} as time)`;
    case "local":
      return `epoch_us(try_cast(${value} as timestamp))`;
    case "instant":
      return isUtc(defaultTimeZone)
        ? `epoch_us(try_cast(${value} as timestamptz))`
        : `(case when typeof(${value}) = 'TIMESTAMP WITH TIME ZONE' then epoch_us(try_cast(${value} as timestamptz)) else ${zonedSql(`epoch_us(try_cast(${value} as timestamp))`, defaultTimeZone ?? "UTC")} end)`;
    default:
      // A nested column of Parquet is JSON here.
      return `(case when json_type(to_json(${value})) = '${type.toUpperCase()}' then to_json(${value}) end)`;
  }
}
