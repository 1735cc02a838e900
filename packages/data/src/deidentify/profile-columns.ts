import { quoteName, quoteText } from "@portolan/expressions";
import { type AnalysisEngine, type AnalysisRow, integerCell } from "../analysis.ts";
import { dateForms, dateLike, timestampSql } from "./date-forms.ts";
import { type ValueForm, valueForms } from "./identifiers.ts";
import { placesOf, textsSql } from "./nested-tree.ts";
import { type ColumnProfile, isNumber } from "./plan.ts";
import type { Source, SourceFile } from "./read-source.ts";

/** Distinct finds of a form that are checked by its checksum. */
const checkedFinds = 500;

/** What is looked at: a column, or a place within one. */
export interface Looked {
  readonly name: string;
  readonly type: string;
  readonly column: string;
  readonly isNested: boolean;
  readonly closed?: string;
  /** SQL of it in a row of its table; of a place within arrays all that is there. Absent of what has no path. */
  readonly cell?: string;
  /** SQL of its texts, of a place within arrays a row each. */
  readonly texts?: string;
}

export function lookedAt({ columns }: Source): Looked[] {
  return columns.flatMap(({ name, type, closed, tree }): Looked[] => {
    const own = quoteName(name);
    const why = closed === undefined ? {} : { closed };
    const plain = { name, type, column: name, isNested: false, ...why };
    if (!tree) return [{ ...plain, cell: own, texts: `(${own})::varchar` }];
    return placesOf(tree).map(({ name: place, path, type: found, closed }) => ({
      name: place,
      column: name,
      isNested: true,
      type: found === "JSON" ? "VARCHAR" : found,
      ...(closed === undefined ? {} : { closed }),
      ...(path === ""
        ? {}
        : {
            cell: `(json_extract_string(${own}, ${quoteText(path)}))::varchar`,
            texts: textsSql(own, path),
          }),
    }));
  });
}

/** Of the text `found`. */
function typedSql(type: string): string {
  if (type === "UBIGINT" || type === "BIGINT") return "try_cast(found as hugeint)";
  return type === "DOUBLE" ? "try_cast(found as double)" : "found";
}

export async function profileColumns(
  engine: AnalysisEngine,
  request: SourceFile & { readonly classifications: Readonly<Record<string, string>> },
  source: Source,
): Promise<ColumnProfile[]> {
  const looked = lookedAt(source);
  const run = async (statements: readonly { sql: string; returns: string }[]) =>
    engine.run({
      statements: statements.length === 0 ? [] : [{ sql: source.view }, ...statements],
      readable: [request.file],
      workFolder: request.workFolder,
    });
  const { rows } = await run(looked.flatMap((one, at) => profileStatements(one, at)));
  const finds = await run(looked.flatMap((one, at) => findStatements(one, at, rows[`column_${at}`]?.[0])));
  return looked.map(({ name, type, column, isNested, closed, cell }, at) => {
    const figures = rows[`column_${at}`]?.[0];
    const classification = request.classifications[column];
    const containers = integerCell(figures, "containers");
    const why = closed ?? closedBy(isNested, containers, integerCell(figures, "present"));
    return {
      name,
      ...(isNested ? { within: column, called: [ownName(name), name] } : {}),
      ...(why === undefined ? {} : { closed: why }),
      ...(cell === undefined ? { isOutOfReach: true } : {}),
      // A column of CSV is what its values are.
      type: request.format === "csv" && !isNested && isWhole(figures) ? "BIGINT" : type,
      values: integerCell(figures, "present"),
      distinct: integerCell(figures, "different"),
      words: Number(figures?.["words"] ?? 0),
      ...datesOf(figures),
      found: valueForms.map((form, index) => ({
        form,
        values: found(form, integerCell(figures, `form_${index}`), finds.rows[`finds_${at}_${index}`] ?? []),
      })),
      ...(classification === undefined ? {} : { classification }),
    };
  });
}

/** The last member on the way: `given` of `name[].given[]`. */
function ownName(name: string): string {
  return name.slice(name.lastIndexOf(".") + 1);
}

/** Objects and arrays where other rows have values, and texts that are JSON themselves. */
function closedBy(isNested: boolean, containers: number, values: number): string | undefined {
  if (!isNested || containers === 0) return undefined;
  return `${containers} of its ${values} values are objects or arrays, or texts that hold such`;
}

/** In the first way in which all values are dates; else in the one in which most are. */
function datesOf(figures: AnalysisRow | undefined): Pick<ColumnProfile, "dates" | "dateLike" | "dateForm"> {
  const written = [
    { dates: integerCell(figures, "dates") },
    ...dateForms.map(({ name }, index) => ({
      dates: integerCell(figures, `dates_${index}`),
      dateForm: name,
    })),
  ];
  const most = Math.max(...written.map(({ dates }) => dates));
  const first = written.find(({ dates }) => dates === most);
  return { dates: 0, ...(most > 0 ? first : {}), dateLike: integerCell(figures, "date_like") };
}

function isWhole(figures: AnalysisRow | undefined): boolean {
  const values = integerCell(figures, "present");
  return values > 0 && integerCell(figures, "whole") === values;
}

/** How many values have the form, by the share of different finds that pass its checksum. */
function found({ check }: ValueForm, values: number, finds: readonly AnalysisRow[]): number {
  if (!check || finds.length === 0) return check ? 0 : values;
  const passing = finds.filter((row) => check(String(row["find"]))).length;
  return Math.round((values * passing) / finds.length);
}

interface Read {
  readonly relation: string;
  /** SQL of a value in it. */
  readonly own: string;
  /** Of its text; of a number its digits. */
  readonly text: string;
  readonly isText: boolean;
  /** Forms that it may have, by their place among all. */
  readonly forms: readonly (readonly [index: number, form: ValueForm])[];
}

/** How a place is read, if it may be. */
function readAs({ column, texts, type, isNested, closed }: Looked): Read | undefined {
  if (texts === undefined || closed !== undefined) return undefined;
  const relation = isNested ? `(select ${texts} as found from source)` : "source";
  const own = isNested ? typedSql(type) : quoteName(column);
  const isText = /CHAR|TEXT|STRING/i.test(type);
  const text = isText || !isNumber(type) ? `(${own})::varchar` : digitsSql(own);
  const forms = [...valueForms.entries()].filter(([, form]) => isText || (isNumber(type) && form.isNumeric));
  return { relation, own, text, isText, forms };
}

function profileStatements(looked: Looked, at: number): { sql: string; returns: string }[] {
  const read = readAs(looked);
  if (!read) return [];
  const { relation, own, text, isText, forms } = read;
  const counts = [
    ...forms.map(
      ([index, { pattern }]) =>
        `count(*) filter (regexp_matches(${text}, ${quoteText(pattern)})) as form_${index}`,
    ),
    ...(isText
      ? [
          `count(*) filter (regexp_matches(${text}, ${quoteText(dateLike)})) as date_like`,
          ...dateForms.map((form, index) => `count(${timestampSql(text, form.name)}) as dates_${index}`),
        ]
      : []),
    ...(isText && looked.isNested
      ? [`count(*) filter (json_valid(${text}) and regexp_matches(${text}, '^\\s*[\\[{]')) as containers`]
      : []),
  ];
  return [
    {
      sql: `select count(${own}) as present, count(distinct ${own}) as different,
        ${isText ? `coalesce(avg(length(${text}) - length(replace(${text}, ' ', '')) + 1), 0)` : "0"} as words,
        ${isText ? `count(*) filter (try_cast(${text} as timestamp) is not null and regexp_matches(${text}, '[0-9]{4}-[0-9]'))` : "0"} as dates,
        ${isText ? `count(*) filter (try_cast(${text} as bigint) is not null)` : "0"} as whole${counts.map((count) => `, ${count}`).join("")}
        from ${relation}`,
      returns: `column_${at}`,
    },
  ];
}

/** Finds of the forms that have a checksum, where there are any. */
function findStatements(
  looked: Looked,
  at: number,
  figures: AnalysisRow | undefined,
): { sql: string; returns: string }[] {
  const read = readAs(looked);
  if (!read) return [];
  const { relation, text, forms } = read;
  return forms.flatMap(([index, { pattern, check }]) => {
    if (!check || integerCell(figures, `form_${index}`) === 0) return [];
    return [
      {
        sql: `select distinct regexp_extract(${text}, ${quoteText(pattern)}) as find from ${relation} where regexp_matches(${text}, ${quoteText(pattern)}) limit ${checkedFinds}`,
        returns: `finds_${at}_${index}`,
      },
    ];
  });
}

/** The digits of a whole number, with the zeros that a social security number has lost as a number; null of any other. */
function digitsSql(own: string): string {
  const digits = `try_cast(${own} as hugeint)::varchar`;
  const whole = `try_cast(${own} as hugeint) = ${own} and ${own} > 0`;
  return `case when ${whole} then case when length(${digits}) between 7 and 8 then lpad(${digits}, 9, '0') else ${digits} end end`;
}
