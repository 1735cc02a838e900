import { quoteName, quoteText } from "@portolan/expressions";
import { PortolanError } from "@portolan/kernel";
import { type AnalysisEngine, integerCell } from "../analysis.ts";
import type { DataErrorCode } from "../errors.ts";
import { closeObjects, mostPlaces, type NestedNode, placesOf, readTree, wideObjects } from "./nested-tree.ts";

export interface SourceFile {
  /** A Parquet or CSV file. */
  readonly file: string;
  readonly format: "parquet" | "csv";
  /** An empty folder. */
  readonly workFolder: string;
}

export interface SourceColumn {
  readonly name: string;
  /** As DuckDB names it; `JSON` where something lies within. */
  readonly type: string;
  /** Why it is not looked into. */
  readonly closed?: string;
  /** What lies within. */
  readonly tree?: NestedNode;
}

/** A file as it is judged: columns in which something lies as JSON, all else as it is. */
export interface Source {
  readonly columns: readonly SourceColumn[];
  /** Statement that makes the view `source`. */
  readonly view: string;
}

interface Described {
  readonly name: string;
  readonly type: string;
  /** What the view has instead of the column. */
  readonly as?: string;
  readonly closed?: string;
}

/** Members whose names are nearly all different from object to object are data: as `leastForUnique` and `uniqueShare` of values. */
const leastForData = 20;
const dataShare = 0.9;
const mostShapes = 10_000;

export async function readSource(engine: AnalysisEngine, request: SourceFile): Promise<Source> {
  const file = fileSql(request);
  const run = async (statements: readonly { sql: string; returns?: string }[]) =>
    (await engine.run({ statements, readable: [request.file], workFolder: request.workFolder })).rows;
  const described = await run([
    { sql: `select column_name, column_type from (describe select * from ${file})`, returns: "columns" },
  ]);
  const plain = (described["columns"] ?? []).map((row) =>
    describedAs(String(row["column_name"]), String(row["column_type"])),
  );
  const texts = plain.filter(({ type }) => type === "VARCHAR" || type === "JSON");
  const counts = await run(
    texts.map(({ name, as = quoteName(name) }, at) => ({
      sql: `select count(${as}) as present, count(*) filter (json_valid((${as})::varchar)) as valid,
        count(*) filter (json_valid((${as})::varchar) and regexp_matches((${as})::varchar, '^\\s*[\\[{]')) as nested from ${file}`,
      returns: `column_${at}`,
    })),
  );
  const typed = plain.map((column) => {
    const row = counts[`column_${texts.indexOf(column)}`]?.[0];
    return row ? withJson(column, countsOf(row)) : column;
  });
  const replaced = typed.flatMap(({ name, as }) => (as === undefined ? [] : `${as} as ${quoteName(name)}`));
  const view = `create view source as select *${replaced.length === 0 ? "" : ` replace (${replaced.join(", ")})`} from ${file}`;
  const nested = typed.filter(({ type, closed }) => type === "JSON" && closed === undefined);
  const trees = await readTrees(
    nested.map(({ name }) => name),
    (statements) => run([{ sql: view }, ...statements]),
  );
  const columns = typed.map(({ name, type, closed }) => {
    const tree = trees.get(name);
    return { name, type, ...(closed === undefined ? {} : { closed }), ...(tree ? { tree } : {}) };
  });
  refuseSameNames(columns);
  return { columns, view };
}

function fileSql({ file, format }: SourceFile): string {
  // As text: a ZIP code that is read as a number loses its zeros.
  return format === "csv"
    ? `read_csv(${quoteText(file)}, all_varchar = true, header = true)`
    : `read_parquet(${quoteText(file)})`;
}

function describedAs(name: string, type: string): Described {
  const own = quoteName(name);
  if (/BLOB|\bBIT\b|GEOMETRY|VARIANT/.test(type))
    return { name, type: "BLOB", closed: `it holds ${/BLOB/.test(type) ? "bytes" : type}` };
  if (/^(STRUCT|MAP|UNION)\(|\[\d*\]$/.test(type)) return { name, type: "JSON", as: `to_json(${own})` };
  // Texts of few values, and identifiers, are judged as the texts that they are.
  if (/^ENUM\(|^UUID$/.test(type)) return { name, type: "VARCHAR", as: `${own}::varchar` };
  return { name, type };
}

interface JsonCounts {
  readonly present: number;
  readonly valid: number;
  /** Objects and arrays. */
  readonly nested: number;
}

function countsOf(row: Readonly<Record<string, unknown>>): JsonCounts {
  const count = (name: string): number => integerCell(row, name);
  return { present: count("present"), valid: count("valid"), nested: count("nested") };
}

function withJson(column: Described, { present, valid, nested }: JsonCounts): Described {
  const { name, type } = column;
  if (type === "JSON")
    return valid === present
      ? column
      : { ...column, type: "VARCHAR", as: `${quoteName(name)}::varchar`, closed: "not all of it is JSON" };
  if (nested === 0) return column;
  if (nested < present)
    return { ...column, closed: `${nested} of its values are objects or arrays in JSON, the others are not` };
  return { name, type: "JSON", as: `${quoteName(name)}::json` };
}

async function readTrees(
  columns: readonly string[],
  run: (
    statements: readonly { sql: string; returns?: string }[],
  ) => Promise<Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>>>,
): Promise<ReadonlyMap<string, NestedNode>> {
  if (columns.length === 0) return new Map();
  const structures = await run(
    columns.map((name, at) => ({ sql: structureSql(quoteName(name)), returns: `structure_${at}` })),
  );
  const trees = columns.map((name, at): NestedNode => {
    const row = structures[`structure_${at}`]?.[0];
    const structure = row?.["structure"];
    const tree = typeof structure === "string" ? readTree(name, JSON.parse(structure)) : undefined;
    if (tree && placesOf(tree).length <= mostPlaces) return tree;
    const closed =
      integerCell(row, "shapes") > mostShapes
        ? `its values are of more than ${mostShapes} different shapes`
        : `its values lie in more than ${mostPlaces} different places`;
    return { kind: "place", column: name, name, path: "$", type: "VARCHAR", closed };
  });
  const wide = trees.flatMap((tree) => wideObjects(tree, leastForData));
  const counts =
    wide.length === 0
      ? {}
      : await run(
          wide.map(({ column, path }, at) => ({
            sql: `select count(*) as objects, coalesce(sum(len(json_keys(item))), 0)::bigint as members
        from (select ${path.includes("[*]") ? "unnest" : ""}(json_extract(${quoteName(column)}, ${quoteText(path)})) as item from source) where json_type(item) = 'OBJECT'`,
            returns: `wide_${at}`,
          })),
        );
  const ofData = new Set(
    wide.filter(({ members }, at) => {
      const row = counts[`wide_${at}`]?.[0];
      return (
        integerCell(row, "objects") >= leastForData &&
        members.length >= dataShare * integerCell(row, "members")
      );
    }),
  );
  return new Map(
    trees.map((tree, at) => [
      columns[at] ?? "",
      closeObjects(
        tree,
        ofData,
        "nearly every object there has members of other names: they are data themselves",
      ),
    ]),
  );
}

/**
 * What lies within a column. `json_group_structure` holds all that it is given in memory: it is given one value of each shape. A value with
 * an empty object where others of its shape have an array of several types may stand for them; what they have there is then no part of the tree,
 * and does not leave.
 */
function structureSql(own: string): string {
  const shapes = `(select any_value(${own}) as one from source group by json_structure(${own}) limit ${mostShapes + 1})`;
  return `select shapes, case when shapes <= ${mostShapes} and length(found) < 1000000 then found end as structure
    from (select count(*) as shapes, json_group_structure(one)::varchar as found from ${shapes})`;
}

/** A rule names a column, or a place within one: what is called by one name has to be one thing. */
function refuseSameNames(columns: readonly SourceColumn[]): void {
  const names = columns.flatMap(({ name, tree }) => (tree ? placesOf(tree).map(({ name }) => name) : [name]));
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined)
    throw new PortolanError<DataErrorCode>("data.source_unreadable", {
      detail: `two values are called ${twice}: a column, and what lies within another one`,
      mend: "Give the column another name in a copy of the file.",
    });
}
