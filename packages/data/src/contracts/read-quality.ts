import type { YamlNode } from "@portolan/yaml-source";
import { parseText } from "../values/parse-value.ts";
import { checkPattern } from "./check-pattern.ts";
import {
  type BatchRule,
  type ContractColumn,
  type ListedValue,
  type NamedRowRule,
  operators,
} from "./contract-model.ts";

interface Quality {
  readonly rowRules: NamedRowRule[];
  readonly batchRules: BatchRule[];
}

const metrics = ["rowCount", "nullValues", "missingValues", "invalidValues", "duplicateValues"] as const;
const advisories = ["info", "warning"];

/** Rules at the table: they judge the batch. */
export function readQuality(table: YamlNode, columns: readonly ContractColumn[]): Quality {
  const quality: Quality = { rowRules: [], batchRules: [] };
  for (const rule of table.get("quality").items()) readRule(rule, undefined, columns, quality);
  return quality;
}

/**
 * Rules at a column. One that every row can meet alone, with the threshold zero (`invalidValues` … `mustBe: 0`), judges rows
 * and sends them to quarantine; any other judges the batch.
 */
export function readPropertyQuality(property: YamlNode, column: ContractColumn): Quality {
  const quality: Quality = { rowRules: [], batchRules: [] };
  for (const rule of property.get("quality").items()) readRule(rule, column, [column], quality);
  return quality;
}

function readRule(
  node: YamlNode,
  column: ContractColumn | undefined,
  columns: readonly ContractColumn[],
  into: Quality,
): void {
  const type = node.get("type").oneOf(["library", "sql", "text", "custom"]) ?? "library";
  if (type === "text") return; // For people; no machine claims to check it.
  if (type === "custom") {
    node.report("is custom, which nothing here executes", "Use a library metric or sql.");
    return;
  }
  const threshold = readThreshold(node);
  if (!threshold) return;
  const metric = type === "sql" ? "sql" : node.get("metric").oneOf(metrics);
  if (!metric) {
    node.report("names no metric", `Use one of: ${metrics.join(", ")}.`);
    return;
  }
  const severity = node.get("severity").text();
  const advisory = severity !== undefined && advisories.includes(severity);
  const rule = readArguments(node, column, columns);
  if (metric !== "rowCount" && metric !== "sql" && rule.columns.length === 0)
    node.report(`says not which columns ${metric} looks at`, "List them in arguments.properties.");
  const name = node.get("name").text() ?? [column?.name, metric].filter(Boolean).join(".");
  const { operator, limits } = threshold;
  const zero = operator === "mustBe" && limits[0] === 0;
  if (column && zero && !advisory && readRowRule(metric, name, column.name, rule, into.rowRules)) return;
  const query = metric === "sql" ? readQuery(node, column) : undefined;
  const unit = node.get("unit").oneOf(["rows", "percent"]) ?? "rows";
  into.batchRules.push({
    name,
    metric,
    ...rule,
    unit,
    operator,
    limits,
    ...(query ? { query } : {}),
    ...(query && unit === "percent" ? { answersRows: true as const } : {}),
    ...(advisory ? { advisory } : {}),
  });
}

/** Adds what judges rows, and says whether the rule was such a one. */
function readRowRule(
  metric: BatchRule["metric"],
  name: string,
  column: string,
  { values, pattern }: Arguments,
  into: NamedRowRule[],
): boolean {
  if (metric === "invalidValues") {
    if (values) into.push({ kind: "valid_values", name, column, values });
    if (pattern !== undefined) into.push({ kind: "pattern", name, column, pattern });
    return true;
  }
  if ((metric === "nullValues" || metric === "missingValues") && !values) {
    into.push({ kind: "required", name, column });
    return true;
  }
  return false;
}

interface Arguments {
  readonly columns: string[];
  readonly values?: ListedValue[];
  readonly pattern?: string;
}

function readArguments(
  node: YamlNode,
  column: ContractColumn | undefined,
  columns: readonly ContractColumn[],
): Arguments {
  const args = node.get("arguments");
  const listed = args
    .get("properties")
    .items()
    .map((item) => item.text() ?? "");
  const looked = column ? [column] : columns.filter((known) => listed.includes(known.name));
  for (const name of listed) {
    if (!columns.some((known) => known.name === name))
      args.report(`names ${name}, which is no column here`, "Name columns of this table.");
  }
  const metric = node.get("metric").text();
  const list = args.get(metric === "missingValues" ? "missingValues" : "validValues");
  const values = list.items().flatMap((item) => readListed(item, looked));
  if (metric === "invalidValues" && list.present && values.length === 0)
    list.report("lists no value", "Name at least one, or leave the rule out.");
  const pattern = args.get("pattern").text();
  if (pattern !== undefined) {
    checkPattern(args.get("pattern"), pattern);
    if (looked.some(({ type }) => type !== "string"))
      args.get("pattern").report("judges a column that is no text", "Use minimum, maximum or validValues.");
  }
  if (metric === "invalidValues" && !list.present && pattern === undefined)
    node.report("says not what is valid", "Give arguments.validValues or arguments.pattern.");
  return {
    columns: column ? [column.name] : listed,
    ...(list.present ? { values } : {}),
    ...(pattern === undefined ? {} : { pattern }),
  };
}

/** A listed value as the column's values are; null is always missing, and needs no listing. */
function readListed(item: YamlNode, columns: readonly ContractColumn[]): ListedValue[] {
  const value = item.value();
  const [column] = columns;
  if (item.kind === "null" || value === undefined || !column) return [];
  const { type, defaultTimeZone } = column;
  const fits = type !== "string" || typeof value === "string";
  const zone = defaultTimeZone === undefined ? {} : { defaultTimeZone };
  const parsed = fits ? parseText({ type, ...zone }, String(value)) : undefined;
  if (typeof parsed === "bigint" && Number.isSafeInteger(Number(parsed))) return [Number(parsed)];
  if (typeof parsed === "string" || typeof parsed === "number" || typeof parsed === "boolean")
    return [parsed];
  item.report(`is no ${type}, as the column is`, type === "string" ? "Put it in quotes." : undefined);
  return [];
}

function readThreshold(node: YamlNode): Pick<BatchRule, "operator" | "limits"> | undefined {
  const named = operators.filter((operator) => node.get(operator).present);
  const [operator] = named;
  if (!operator || named.length > 1) {
    node.report("needs exactly one threshold", `Write one of: ${operators.join(", ")}.`);
    return undefined;
  }
  const value = node.get(operator);
  if (operator === "mustBeBetween" || operator === "mustNotBeBetween") {
    const [low, high] = value.items().map((item) => item.number());
    if (low === undefined || high === undefined) value.report("must be a list of two numbers");
    else if (low > high) value.report("has its larger number first", "Write the smaller one first.");
    return { operator, limits: [low ?? 0, high ?? 0] };
  }
  return { operator, limits: [value.number() ?? 0] };
}

/** A query is one SELECT over `{table}`, or `${table}` as the standard writes it; it runs where nothing but the batch can be read. */
function readQuery(node: YamlNode, column: ContractColumn | undefined): string {
  const written = node.get("query").requiredText("Write the query.").trim().replace(/;\s*$/, "");
  const query = written
    .replaceAll("${table}", "{table}")
    .replaceAll("${column}", "{column}")
    .replaceAll("{column}", column ? `"${column.name}"` : "{column}");
  const plain = query.replaceAll(/'(?:[^']|'')*'/g, "''");
  if (!/^(select|with)\b/i.test(plain) || plain.includes(";"))
    node.get("query").report("is not one SELECT", "Only reading queries are allowed.");
  if (!plain.includes("{table}")) node.get("query").report("does not read {table}");
  if (plain.includes("{column}"))
    node.get("query").report("reads {column}, but stands at the table", "Name the column.");
  return query;
}
