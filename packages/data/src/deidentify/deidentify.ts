import { mkdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { quoteName, quoteText } from "@portolan/expressions";
import { PortolanError } from "@portolan/kernel";
import { type AnalysisEngine, type AnalysisRow, type AnalysisStatement, integerCell } from "../analysis.ts";
import { classMetadata } from "../data-class.ts";
import type { DataErrorCode } from "../errors.ts";
import { type Anonymity, anonymityStatement, isQuasi } from "./anonymity.ts";
import { columnSql } from "./columns-sql.ts";
import { dateForms, dateLike, timestampSql } from "./date-forms.ts";
import { hmacBlocks } from "./hmac-blocks.ts";
import { type ValueForm, valueForms } from "./identifiers.ts";
import { type ColumnPlan, type ColumnProfile, isNumber, type PlanRequest, planColumns } from "./plan.ts";

export interface DeidentifyRequest extends PlanRequest {
  /** A Parquet or CSV file. */
  readonly file: string;
  readonly format: "parquet" | "csv";
  /** Classifications of the contract's columns, by column. */
  readonly classifications: Readonly<Record<string, string>>;
  /** Secret of the pseudonyms: the same key, purpose and column give the same pseudonym. */
  readonly key: Uint8Array;
  /** What the data is for: pseudonyms for two purposes cannot be joined. */
  readonly purpose: string;
  /** Quasi-identifiers; by default what was coarsened and what its name calls one. */
  readonly quasi?: readonly string[];
  /** Rows of smaller groups are left out; 1 leaves out none. */
  readonly leastGroup: number;
  readonly thisYear: number;
  /** An empty folder. */
  readonly workFolder: string;
}

export interface DeidentifyReport {
  readonly columns: readonly ColumnPlan[];
  readonly rows: number;
  /** Rows that were left out because their group was too small. */
  readonly suppressed: number;
  readonly before: Anonymity;
  readonly after: Anonymity;
  /** Values of removed columns that are still in the result, by column: found by a search for each of them. */
  readonly leaks: readonly { readonly column: string; readonly values: number }[];
  /** What keeps the result from being Safe Harbor. */
  readonly warnings: readonly string[];
}

/** Distinct finds of a form that are checked by its checksum. */
const checkedFinds = 500;
/** Shorter values occur by chance. */
const leastLeak = 5;

/** What would become of each column, from its name, its values and its contract; nothing is written. */
export async function planDeidentification(
  engine: AnalysisEngine,
  request: DeidentifyRequest,
): Promise<ColumnPlan[]> {
  const columns = await profileColumns(engine, request);
  const known = new Set(columns.map(({ name }) => name));
  const asked = [request.subject, ...(request.quasi ?? []), ...Object.keys(request.rules)];
  for (const name of asked)
    if (name !== undefined && !known.has(name))
      throw new PortolanError<DataErrorCode>("data.source_unreadable", {
        detail: `there is no column ${name}`,
        mend: `It has ${[...known].join(", ")}.`,
      });
  return planColumns(columns, request);
}

/**
 * Writes the de-identified rows to `out`, whole or not at all, and reports on them.
 * @throws PortolanError `data.source_unreadable`, `data.analysis_failed`
 */
export async function deidentify(
  engine: AnalysisEngine,
  request: DeidentifyRequest,
  out: string,
): Promise<DeidentifyReport> {
  const columns = await planDeidentification(engine, request);
  const context = {
    thisYear: request.thisYear,
    ...(request.subject === undefined ? {} : { subject: request.subject }),
  };
  const selected = columns.flatMap((plan) => columnSql(plan, context) ?? []);
  if (selected.length === 0)
    throw new PortolanError<DataErrorCode>("data.source_unreadable", {
      detail: "every column would be dropped",
      mend: "Keep one by a rule such as --rule column=keep.",
    });
  const left = columns.filter(({ action }) => action !== "drop");
  const quasi = request.quasi ?? left.filter(isQuasiColumn).map(({ column }) => column);
  const kept = quasi.filter((name) => left.some(({ column }) => column === name));
  const written = join(request.workFolder, "deidentified.parquet");
  const { rows } = await engine.run({
    statements: statementsOf(request, columns, { selected, quasi, kept, written }),
    readable: [request.file],
    workFolder: request.workFolder,
  });
  await mkdir(dirname(out), { recursive: true });
  await rename(written, out).catch((cause: unknown) => {
    throw new PortolanError<DataErrorCode>("data.source_unreadable", {
      detail: `${out} cannot be written`,
      mend: "Name a file in a folder on the same disk that you may write to.",
      cause,
    });
  });
  await rm(request.workFolder, { recursive: true, force: true });
  const counts = rows["counts"]?.[0];
  const total = integerCell(counts, "row_count");
  return {
    columns,
    rows: total,
    suppressed: total - integerCell(counts, "left_over"),
    before: anonymityOf(rows["before"]?.[0], quasi, request.leastGroup),
    after: anonymityOf(rows["after"]?.[0], kept, request.leastGroup),
    leaks: columns.flatMap(({ column }, at) => {
      const values = integerCell(rows[`leak_${at}`]?.[0], "leaks");
      return values > 0 ? [{ column, values }] : [];
    }),
    warnings: columns.flatMap(({ column, warning }) =>
      warning === undefined ? [] : [`${column}: ${warning}`],
    ),
  };
}

interface Parts {
  /** Columns as they leave. */
  readonly selected: readonly string[];
  readonly quasi: readonly string[];
  /** Quasi-identifiers that are left. */
  readonly kept: readonly string[];
  readonly written: string;
}

function statementsOf(
  request: DeidentifyRequest,
  columns: readonly ColumnPlan[],
  { selected, quasi, kept, written }: Parts,
): AnalysisStatement[] {
  const isKeyed = columns.some(({ action }) => action === "pseudonym" || action === "shift");
  const grouped = kept.length === 0 ? "1" : `count(*) over (partition by ${kept.map(quoteName).join(", ")})`;
  return [
    { sql: `create view source as select * from ${sourceSql(request)}` },
    { ...anonymityStatement("source", quasi, request.leastGroup), returns: "before" },
    {
      sql: `create table result as select ${selected.join(", ")} from source`,
      ...(isKeyed ? { params: hmacBlocks(request.key, `portolan deidentify ${request.purpose}`) } : {}),
      note: "de-identifying",
    },
    {
      sql: `create table large as select * exclude (group_size) from (select *, ${grouped} as group_size from result) where group_size >= ${kept.length === 0 ? 0 : request.leastGroup}`,
    },
    {
      sql: "select (select count(*) from result) as row_count, (select count(*) from large) as left_over",
      returns: "counts",
    },
    { ...anonymityStatement("large", kept, request.leastGroup), returns: "after" },
    ...leakStatements(columns),
    {
      sql: `copy large to ${quoteText(written)} (format parquet, compression zstd, ${classMetadata("research")})`,
    },
  ];
}

const coarse: ReadonlySet<ColumnPlan["action"]> = new Set(["year", "birth_year", "zip3", "age90"]);

function isQuasiColumn({ column, action }: ColumnPlan): boolean {
  return coarse.has(action) || (action === "keep" && isQuasi(column));
}

function sourceSql({ file, format }: Pick<DeidentifyRequest, "file" | "format">): string {
  // As text: a ZIP code that is read as a number loses its zeros.
  return format === "csv"
    ? `read_csv(${quoteText(file)}, all_varchar = true, header = true)`
    : `read_parquet(${quoteText(file)})`;
}

async function profileColumns(engine: AnalysisEngine, request: DeidentifyRequest): Promise<ColumnProfile[]> {
  const source = { sql: `create view source as select * from ${sourceSql(request)}` };
  const run = (statements: readonly { sql: string; returns?: string }[]) =>
    engine.run({
      statements: [source, ...statements],
      readable: [request.file],
      workFolder: request.workFolder,
    });
  const described = await run([
    { sql: "select column_name, column_type from (describe source)", returns: "columns" },
  ]);
  const columns = (described.rows["columns"] ?? []).map((row) => ({
    name: String(row["column_name"]),
    type: String(row["column_type"]),
  }));
  const { rows } = await run(columns.flatMap(({ name, type }, at) => profileStatements(name, type, at)));
  return columns.map(({ name, type }, at) => {
    const figures = rows[`column_${at}`]?.[0];
    const classification = request.classifications[name];
    return {
      name,
      // A column of CSV is what its values are.
      type: request.format === "csv" && isWhole(figures) ? "BIGINT" : type,
      values: integerCell(figures, "present"),
      distinct: integerCell(figures, "different"),
      words: Number(figures?.["words"] ?? 0),
      ...datesOf(figures),
      found: valueForms.map((form, index) => ({
        form,
        values: found(form, integerCell(figures, `form_${index}`), rows[`finds_${at}_${index}`] ?? []),
      })),
      ...(classification === undefined ? {} : { classification }),
    };
  });
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

function profileStatements(name: string, type: string, at: number): { sql: string; returns: string }[] {
  const own = quoteName(name);
  const isText = /CHAR|TEXT|STRING/i.test(type);
  const text = isText || !isNumber(type) ? `(${own})::varchar` : digitsSql(own);
  // By their place among all forms.
  const forms = [...valueForms.entries()].filter(([, form]) => isText || (isNumber(type) && form.isNumeric));
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
  ];
  return [
    {
      sql: `select count(${own}) as present, count(distinct ${own}) as different,
        ${isText ? `coalesce(avg(length(${text}) - length(replace(${text}, ' ', '')) + 1), 0)` : "0"} as words,
        ${isText ? `count(*) filter (try_cast(${text} as timestamp) is not null and regexp_matches(${text}, '[0-9]{4}-[0-9]'))` : "0"} as dates,
        ${isText ? `count(*) filter (try_cast(${text} as bigint) is not null)` : "0"} as whole${counts.map((count) => `, ${count}`).join("")}
        from source`,
      returns: `column_${at}`,
    },
    ...forms.flatMap(([index, { pattern, check }]) =>
      check
        ? [
            {
              sql: `select distinct regexp_extract(${text}, ${quoteText(pattern)}) as find from source where regexp_matches(${text}, ${quoteText(pattern)}) limit ${checkedFinds}`,
              returns: `finds_${at}_${index}`,
            },
          ]
        : [],
    ),
  ];
}

/** The digits of a whole number, with the zeros that a social security number has lost as a number; null of any other. */
function digitsSql(own: string): string {
  const digits = `try_cast(${own} as hugeint)::varchar`;
  const whole = `try_cast(${own} as hugeint) = ${own} and ${own} > 0`;
  return `case when ${whole} then case when length(${digits}) between 7 and 8 then lpad(${digits}, 9, '0') else ${digits} end end`;
}

/** Searches the result for every value of each column that was taken out, whole in any column, and inside of texts that were redacted. */
function leakStatements(columns: readonly ColumnPlan[]) {
  const left = columns.filter(({ action }) => action !== "drop");
  const cells = left
    .map(({ column }) => `select (${quoteName(column)})::varchar as cell from large`)
    .join(" union ");
  const redacted = left.filter(({ action }) => action === "redact");
  const inside = redacted
    .map(({ column }) => `exists (select 1 from large where contains(${quoteName(column)}, v.value))`)
    .map((one) => ` or ${one}`)
    .join("");
  return columns.flatMap(({ column, action, kind }, at) => {
    if (kind === undefined || (action !== "drop" && action !== "pseudonym")) return [];
    const own = `(${quoteName(column)})::varchar`;
    return [
      {
        sql: `select count(*) as leaks from (select distinct ${own} as value from source where length(${own}) >= ${leastLeak}) as v
          where v.value in (select cell from (${cells}) where cell is not null)${inside}`,
        returns: `leak_${at}`,
        note: `searching for ${column}`,
      },
    ];
  });
}

function anonymityOf(row: AnalysisRow | undefined, quasi: readonly string[], least: number): Anonymity {
  const k = row?.["k"];
  return {
    quasi,
    ...(k === null || k === undefined ? {} : { k: integerCell(row, "k") }),
    groups: integerCell(row, "groups"),
    unique: integerCell(row, "unique_rows"),
    exposed: integerCell(row, "exposed"),
    least,
    rows: integerCell(row, "row_count"),
  };
}
