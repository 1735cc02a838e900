import { quoteName, quoteText } from "@portolan/expressions";
import { timestampSql } from "./date-forms.ts";
import { smallZips, valueForms } from "./identifiers.ts";
import type { ColumnPlan } from "./plan.ts";

/** HMAC-SHA256 in hexadecimal of a domain and a value, as RFC 2104 has it, under the blocks of these parameters; a null has none. */
export function hmacSql(
  domain: string,
  value: string,
  { inner, outer } = { inner: "$inner", outer: "$outer" },
): string {
  const message = `encode(${quoteText(`${domain}\u0001`)} || (${value})::varchar)`;
  return `sha256(unhex(${outer}) || unhex(sha256(unhex(${inner}) || ${message})))`;
}

/** Longest shift of dates, days. */
const longestShift = 365;

/**
 * The column as it leaves, or nothing where it is dropped.
 * @param subject column that shifts dates of one person by the same days
 * @param thisYear for ages: who may be 90 or older shares one year of birth
 */
export function columnSql(
  { column, action, dateForm }: ColumnPlan,
  { subject, thisYear }: { readonly subject?: string; readonly thisYear: number },
): string | undefined {
  const own = quoteName(column);
  const moment = timestampSql(own, dateForm);
  const sql = valueSql();
  return sql && `${sql} as ${own}`;

  function valueSql(): string | undefined {
    switch (action) {
      case "keep":
        return own;
      case "drop":
        return undefined;
      case "pseudonym":
        return `'p' || left(${hmacSql(column, own)}, 32)`;
      case "year":
        return `year(${moment})`;
      case "birth_year":
        // `greatest` and `least` skip nulls.
        return `case when ${own} is not null then greatest(year(${moment}), ${thisYear - 90}) end`;
      case "shift": {
        const days = `(('0x' || left(${hmacSql("shift", quoteName(subject ?? column))}, 8))::bigint % ${longestShift} + 1)::integer`;
        return `(${moment} - to_days(${days}))::date`;
      }
      case "zip3": {
        const digits = `left(lpad(regexp_replace((${own})::varchar, '[^0-9]', '', 'g'), case when length(regexp_replace((${own})::varchar, '[^0-9]', '', 'g')) > 5 then 9 else 5 end, '0'), 3)`;
        return `case when ${own} is null then null when ${digits} in (${smallZips.map(quoteText).join(", ")}) then '000' else ${digits} end`;
      }
      case "age90":
        return `case when ${own} is not null then least(floor(try_cast(${own} as double)), 90)::bigint end`;
      case "redact":
        return valueForms.reduce(
          (text, form) =>
            `regexp_replace(${text}, ${quoteText(form.pattern)}, ${quoteText(`[${form.kind}]`)}, 'g')`,
          `(${own})::varchar`,
        );
    }
  }
}
