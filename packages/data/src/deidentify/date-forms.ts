import { quoteText } from "@portolan/expressions";

/** How the dates of a column of text may be written, beside ISO 8601; a column is read in the first way that fits all its values. */
export interface DateForm {
  readonly name: string;
  /** Formats of `strptime`, of which one fits. */
  readonly formats: readonly string[];
}

const withTime = (day: string): string[] => [day, `${day} %H:%M`, `${day} %H:%M:%S`];

export const dateForms: readonly DateForm[] = [
  { name: "month first", formats: ["%m/%d/%Y", "%m-%d-%Y"].flatMap(withTime) },
  { name: "day first", formats: ["%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y"].flatMap(withTime) },
  { name: "year first", formats: ["%Y/%m/%d", "%Y.%m.%d"].flatMap(withTime) },
];

/** Whole texts that look like a date, also where nobody can tell which: of `03/15/19` the century is not known. */
export const dateLike =
  "^ *(?:[0-9]{1,2}[/.\\-][0-9]{1,2}[/.\\-](?:[0-9]{4}|[0-9]{2})|[0-9]{4}[/.\\-][0-9]{1,2}[/.\\-][0-9]{1,2})(?:[ T][0-9]{1,2}:.*)? *$";
/** The same with a year of four digits: `strptime` would read two as the first century. */
const wholeYear = "(?:^|[^0-9])[0-9]{4}(?:[^0-9]|$)";

/** A value as a timestamp, or null: as the form writes it, or as ISO 8601. */
export function timestampSql(own: string, form: string | undefined): string {
  const found = dateForms.find(({ name }) => name === form);
  if (!found) return `try_cast(${own} as timestamp)`;
  const formats = `[${found.formats.map(quoteText).join(", ")}]`;
  return `case when regexp_matches(${own}, ${quoteText(wholeYear)}) then try_strptime(trim(${own}), ${formats}) end`;
}
