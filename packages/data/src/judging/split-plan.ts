import { quoteName, quoteText } from "@portolan/expressions";
import type { AnalysisStatement } from "../analysis.ts";
import type { ColumnType, DataContract, NamedRowRule, Relationship } from "../contracts/contract-model.ts";
import { ruleLabel } from "../rules/rule-label.ts";
import { brokenSql } from "../rules/rule-sql.ts";
import { type SourceFile, sourceSql } from "../sources/source-plan.ts";
import {
  type CounterpartFiles,
  counterpartStatements,
  danglingLabelSql,
  danglingSql,
} from "./counterparts.ts";
import { futureRule, futureSql } from "./future-events.ts";
import { localTimeStatements } from "./local-time-plan.ts";
import { judgedRules } from "./validate-row.ts";

export interface SplitPlanInput {
  readonly contract: DataContract;
  readonly sources: readonly SourceFile[];
  /** Local files of the contract's references, by name. */
  readonly references: Readonly<Record<string, string>>;
  /** What relationships are looked up in; one whose contract is absent is not judged. */
  readonly counterparts?: CounterpartFiles;
  /** When the batch is judged, epoch microseconds: an event far ahead of it is none yet. */
  readonly asOf: number;
  /** Folder that receives accepted.parquet, quarantine.parquet and dead-letter.parquet. */
  readonly output: string;
}

/**
 * The statements that annotate every row once and split the batch: accepted, quarantined with the names of the rules
 * it broke, and dead letters that are no rows at all. The accepted file is ordered by event time and row, and written with
 * fixed row groups: the same batch under the same contract gives the same bytes.
 */
export function splitPlan(input: SplitPlanInput): AnalysisStatement[] {
  const { contract, output } = input;
  const columns = contract.columns.map((column) => quoteName(column.name)).join(", ");
  const relationships = relationshipsOf(input);
  const order = contract.eventTime ? `${quoteName(contract.eventTime)}, _row` : "_row";
  return [
    ...loadStatements(input),
    ...localTimeStatements(contract, input.references),
    ...counterpartStatements(relationships, input.counterparts ?? {}),
    { sql: annotateSql(contract, relationships, input.asOf), note: "judging rows" },
    {
      sql: `create view accepted as select _row, ${columns} from staged where violations = ''`,
    },
    {
      sql: `copy (select * from accepted order by ${order}) to ${quoteText(`${output}/accepted.parquet`)} ${parquetOptions}`,
      note: "writing accepted rows",
    },
    {
      sql: `copy (select _row, string_split(violations, ',') as violations, raw from staged where violations <> '' order by _row)
        to ${quoteText(`${output}/quarantine.parquet`)} ${parquetOptions}`,
      note: "writing quarantined rows",
    },
    {
      sql: `copy (select file, line, error, content from dead_letter order by file, line)
        to ${quoteText(`${output}/dead-letter.parquet`)} ${parquetOptions}`,
    },
    ...summaryStatements(contract),
    ...danglingStatements(relationships),
  ];
}

/** In the contract's order: an index is a table of keys. */
function relationshipsOf({ contract, counterparts = {} }: SplitPlanInput): Relationship[] {
  return (contract.relationships ?? []).filter(({ target }) => Object.hasOwn(counterparts, target.contract));
}

/** Accepted rows without a counterpart, of relationships that keep no row out. */
function danglingStatements(relationships: readonly Relationship[]): AnalysisStatement[] {
  const counts = relationships.flatMap((one, index) =>
    one.otherwise === "quarantine"
      ? []
      : [
          `select ${quoteText(one.name)} as name, count(*) as rows from staged as t where violations = '' and ${danglingSql(one, index, "t")}`,
        ],
  );
  return counts.length === 0
    ? []
    : [{ sql: counts.join(" union all "), returns: "dangling", note: "counting" }];
}

const parquetOptions = "(format parquet, compression zstd, row_group_size 122880)";

function loadStatements(input: SplitPlanInput): AnalysisStatement[] {
  const columns = input.contract.columns.filter((column) => !column.localTime);
  const statements: AnalysisStatement[] = [
    { sql: "create table dead_letter (file varchar, line bigint, error varchar, content varchar)" },
  ];
  for (const [index, source] of input.sources.entries()) {
    const sql = sourceSql(source, index, columns);
    statements.push({
      sql: index === 0 ? `create table loaded as ${sql.rows}` : `insert into loaded ${sql.rows}`,
      note: `reading ${source.path.split("/").at(-1) ?? ""}`,
    });
    if (sql.deadLetters) statements.push({ sql: `insert into dead_letter ${sql.deadLetters}` });
  }
  return statements;
}

/** One pass over the batch: typed values, and the broken rules' names joined by commas. */
function annotateSql(contract: DataContract, relationships: readonly Relationship[], asOf: number): string {
  const future = futureRule(contract, asOf);
  const plain = contract.columns.filter((column) => !column.localTime);
  const derived = contract.columns.filter((column) => column.localTime);
  const broken = [
    ...plain.map(
      (column) =>
        `case when raw.${quoteName(column.name)} is not null and ${quoteName(column.name)} is null then ${quoteText(`${column.name}.type`)} end`,
    ),
    ...derived.map(
      (column) =>
        `case when ${quoteName(column.name)} is null then ${quoteText(`${column.name}.time_zone`)} end`,
    ),
    ...judgedRules(contract).map((rule) => {
      const raw = derived.some((column) => column.name === rule.column)
        ? "null"
        : `raw.${quoteName(rule.column)}`;
      return `case when ${brokenSql(rule, typeOf(contract, rule), raw)} then ${quoteText(ruleLabel(rule))} end`;
    }),
    ...relationships.flatMap((one, index) =>
      one.otherwise === "quarantine" ? [danglingLabelSql(one, index, "t")] : [],
    ),
    ...(future ? [futureSql(future)] : []),
  ];
  const names = contract.columns.map((column) => quoteName(column.name)).join(", ");
  return `create table staged as select _row, ${names}, violations,
    case when violations <> '' then to_json(raw)::varchar end as raw
    from (select _row, ${names}, raw, concat_ws(',', ${broken.join(",\n")}) as violations from timed as t)`;
}

function typeOf(contract: DataContract, rule: NamedRowRule): ColumnType {
  return contract.columns.find((column) => column.name === rule.column)?.type ?? "string";
}

function summaryStatements(contract: DataContract): AnalysisStatement[] {
  const event = contract.eventTime ? quoteName(contract.eventTime) : "null::bigint";
  return [
    {
      sql: `select count(*) filter (violations = '') as accepted, count(*) filter (violations <> '') as quarantined,
        (select count(*) from dead_letter) as dead_letters,
        min(${event}) filter (violations = '') as min_event_time, max(${event}) filter (violations = '') as max_event_time from staged`,
      returns: "counts",
      note: "counting",
    },
    {
      sql: `select ${contract.columns.map(({ name }) => `count(*) filter (${quoteName(name)} is null) as ${quoteName(name)}`).join(", ")} from staged where violations = ''`,
      returns: "nulls",
    },
    {
      sql: `select rule, count(*) as rows from (select unnest(list_distinct(string_split(violations, ','))) as rule from staged where violations <> '')
        group by rule order by rule`,
      returns: "rules",
    },
  ];
}
