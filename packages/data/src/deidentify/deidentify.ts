import { mkdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { quoteName, quoteText } from "@portolan/expressions";
import { PortolanError } from "@portolan/kernel";
import { type AnalysisEngine, type AnalysisRow, type AnalysisStatement, integerCell } from "../analysis.ts";
import { classMetadata } from "../data-class.ts";
import type { DataErrorCode } from "../errors.ts";
import { type Anonymity, anonymityStatement, isQuasi } from "./anonymity.ts";
import { nestedSql, valueSql } from "./columns-sql.ts";
import { hmacBlocks } from "./hmac-blocks.ts";
import { type ColumnPlan, liesWithin, type PlanRequest, planColumns } from "./plan.ts";
import { lookedAt, profileColumns } from "./profile-columns.ts";
import { readSource, type Source, type SourceFile } from "./read-source.ts";

export interface DeidentifyRequest extends PlanRequest, SourceFile {
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

/** Shorter values occur by chance. */
const leastLeak = 5;

/** What would become of each column, and of each place within one, from its name, its values and its contract; nothing is written. */
export async function planDeidentification(
  engine: AnalysisEngine,
  request: DeidentifyRequest,
): Promise<ColumnPlan[]> {
  return planSource(engine, request, await readSource(engine, request));
}

async function planSource(
  engine: AnalysisEngine,
  request: DeidentifyRequest,
  source: Source,
): Promise<ColumnPlan[]> {
  const columns = await profileColumns(engine, request, source);
  const { subject, quasi = [], rules } = request;
  const isThere = (name: string): boolean => columns.some((one) => one.name === name);
  const isHolder = (name: string): boolean =>
    columns.some((one) => one.within !== undefined && liesWithin(one.name, name));
  const wanted = [...(subject === undefined ? [] : [subject]), ...quasi].filter((name) => !isThere(name));
  const lacking = [...wanted, ...Object.keys(rules).filter((name) => !isThere(name) && !isHolder(name))];
  for (const name of lacking)
    throw new PortolanError<DataErrorCode>("data.source_unreadable", {
      detail: isHolder(name) ? `${name} is no single value` : `there is no column ${name}`,
      mend: `It has ${columns.map(({ name }) => name).join(", ")}.`,
    });
  if (subject?.includes("[]"))
    throw new PortolanError<DataErrorCode>("data.source_unreadable", {
      detail: `a row has several values at ${subject}, and is about one subject`,
      mend: "Name a column, or a place outside of arrays.",
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
  const source = await readSource(engine, request);
  const columns = await planSource(engine, request, source);
  const selected = selectedSql(source, columns, request);
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
    statements: statementsOf(request, columns, { source, selected, quasi, kept, written }),
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

/** Columns as they leave. */
function selectedSql(source: Source, plans: readonly ColumnPlan[], request: DeidentifyRequest): string[] {
  const planOf = new Map(plans.map((plan) => [plan.column, plan]));
  const subject = lookedAt(source).find(({ name }) => name === request.subject)?.cell;
  const context = { thisYear: request.thisYear, ...(subject === undefined ? {} : { subject }) };
  return source.columns.flatMap(({ name, tree }) => {
    const own = quoteName(name);
    const plan = planOf.get(name);
    const sql = tree ? nestedSql(tree, planOf, context) : plan && valueSql(plan, name, own, context);
    return sql === undefined ? [] : [`${sql} as ${own}`];
  });
}

interface Parts {
  readonly source: Source;
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
  { source, selected, quasi, kept, written }: Parts,
): AnalysisStatement[] {
  const cellOf = new Map(
    lookedAt(source).flatMap(({ name, cell }) => (cell === undefined ? [] : [[name, cell]])),
  );
  const cellsOf = (names: readonly string[]): string[] => names.flatMap((name) => cellOf.get(name) ?? []);
  const isKeyed = columns.some(({ action }) => action === "pseudonym" || action === "shift");
  const grouped = kept.length === 0 ? "1" : `count(*) over (partition by ${cellsOf(kept).join(", ")})`;
  return [
    { sql: source.view },
    { ...anonymityStatement("source", cellsOf(quasi), request.leastGroup), returns: "before" },
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
    { ...anonymityStatement("large", cellsOf(kept), request.leastGroup), returns: "after" },
    ...leakStatements(source, columns),
    {
      sql: `copy large to ${quoteText(written)} (format parquet, compression zstd, ${classMetadata("research")})`,
    },
  ];
}

const coarse: ReadonlySet<ColumnPlan["action"]> = new Set(["year", "birth_year", "zip3", "age90"]);

function isQuasiColumn({ column, action }: ColumnPlan): boolean {
  return coarse.has(action) || (action === "keep" && isQuasi(column));
}

/**
 * Searches the result for every value of each column, and of each place within one, that was taken out: whole in any of them, and inside
 * of texts that were redacted.
 */
function leakStatements(source: Source, plans: readonly ColumnPlan[]): AnalysisStatement[] {
  const looked = new Map(lookedAt(source).map((one) => [one.name, one]));
  const textsOf = (plan: ColumnPlan, relation: string): string[] => {
    const found = looked.get(plan.column)?.texts;
    return found === undefined ? [] : [`select ${found} as cell from ${relation}`];
  };
  const left = plans.filter(({ action }) => action !== "drop");
  const redacted = left.filter(({ action }) => action === "redact").flatMap((plan) => textsOf(plan, "large"));
  const inside = redacted.map(
    (texts) => ` or exists (select 1 from (${texts}) where contains(cell, v.cell))`,
  );
  const searches = plans.flatMap((plan, at) => {
    if (plan.kind === undefined || (plan.action !== "drop" && plan.action !== "pseudonym")) return [];
    return textsOf(plan, "source").map((texts) => ({
      sql: `select count(*) as leaks from (select distinct cell from (${texts}) where length(cell) >= ${leastLeak}) as v
          where v.cell in (select cell from cells)${inside.join("")}`,
      returns: `leak_${at}`,
      note: `searching for ${plan.column}`,
    }));
  });
  if (searches.length === 0) return [];
  const cells = left.flatMap((plan) => textsOf(plan, "large")).join(" union ");
  return [
    { sql: `create temp table cells as select cell from (${cells}) where cell is not null` },
    ...searches,
  ];
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
