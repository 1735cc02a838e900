import { quoteName, quoteText } from "@portolan/expressions";
import { timestampSql } from "./date-forms.ts";
import { smallZips, valueForms } from "./identifiers.ts";
import { type NestedNode, placesOf } from "./nested-tree.ts";
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

export interface LeavingContext {
  /** SQL of the value that names the person, by which dates of one person are shifted by the same days. */
  readonly subject?: string;
  /** For ages: who may be 90 or older shares one year of birth. */
  readonly thisYear: number;
}

/**
 * A value as it leaves, or nothing where it is dropped.
 * @param name of the column or the place, which parts pseudonyms of different ones
 * @param own SQL of the value as it came
 */
export function valueSql(
  { action, dateForm }: Pick<ColumnPlan, "action" | "dateForm">,
  name: string,
  own: string,
  { subject, thisYear }: LeavingContext,
): string | undefined {
  const moment = timestampSql(own, dateForm);
  switch (action) {
    case "keep":
      return own;
    case "drop":
      return undefined;
    case "pseudonym":
      return `'p' || left(${hmacSql(name, own)}, 32)`;
    case "year":
      return `year(${moment})`;
    case "birth_year":
      // `greatest` and `least` skip nulls.
      return `case when ${own} is not null then greatest(year(${moment}), ${thisYear - 90}) end`;
    case "shift": {
      const days = `(('0x' || left(${hmacSql("shift", subject ?? own)}, 8))::bigint % ${longestShift} + 1)::integer`;
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

/** SQL of a column of JSON as it leaves, made anew of the places that are left; nothing where none is. */
export function nestedSql(
  tree: NestedNode,
  plans: ReadonlyMap<string, ColumnPlan>,
  context: LeavingContext,
): string | undefined {
  return nodeSql(tree, rootOf(tree), 0);

  function nodeSql(node: NestedNode, own: string, depth: number): string | undefined {
    switch (node.kind) {
      case "place": {
        const plan = plans.get(node.name);
        if (!plan || node.path === "") return undefined;
        if (plan.action === "keep") return own;
        const sql = valueSql(plan, node.name, `(${own} ->> '$')`, context);
        return sql && `to_json(${sql})`;
      }
      case "object": {
        const members = node.members.flatMap(({ key, node }) => {
          const sql = nodeSql(node, `json_extract(${own}, ${quoteText(`$."${key}"`)})`, depth);
          return sql === undefined ? [] : [`${quoteText(key)}, ${sql}`];
        });
        if (members.length === 0) return undefined;
        return `case when json_type(${own}) = 'OBJECT' then json_object(${members.join(", ")}) end`;
      }
      case "items": {
        const each = `portolan_item_${depth}`;
        const sql = nodeSql(node.item, each, depth + 1);
        return (
          sql &&
          `case when json_type(${own}) = 'ARRAY' then to_json(list_transform(json_extract(${own}, '$[*]'), lambda ${each}: ${sql})) end`
        );
      }
    }
  }
}

function rootOf(tree: NestedNode): string {
  const [place] = placesOf(tree);
  return quoteName(place?.column ?? "");
}
