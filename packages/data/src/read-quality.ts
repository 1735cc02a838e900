import type { YamlNode } from "@portolan/yaml-source";
import { checkPattern } from "./check-pattern.ts";
import { type BatchRule, type ContractColumn, type NamedRowRule, operators } from "./contract-model.ts";

interface Quality {
  readonly rowRules: NamedRowRule[];
  readonly batchRules: BatchRule[];
}

const metrics = ["rowCount", "nullValues", "missingValues", "invalidValues", "duplicateValues"] as const;
const ruleKeys = [
  "id",
  "name",
  "type",
  "metric",
  "rule",
  "arguments",
  "unit",
  "dimension",
  "severity",
  "description",
  "schedule",
  "scheduler",
  "businessImpact",
  "method",
  "query",
  "tags",
  "customProperties",
  "authoritativeDefinitions",
  ...operators,
] as const;

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
export function readPropertyQuality(property: YamlNode, column: string): Quality {
  const quality: Quality = { rowRules: [], batchRules: [] };
  for (const rule of property.get("quality").items()) readRule(rule, column, undefined, quality);
  return quality;
}

function readRule(
  node: YamlNode,
  column: string | undefined,
  columns: readonly ContractColumn[] | undefined,
  into: Quality,
): void {
  node.only(ruleKeys);
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
  const rule = readArguments(node, column, columns);
  if (metric !== "rowCount" && metric !== "sql" && rule.columns.length === 0)
    node.report(`says not which columns ${metric} looks at`, "List them in arguments.properties.");
  const name = node.get("name").text() ?? [column, metric].filter(Boolean).join(".");
  const { operator, limits } = threshold;
  const zero = operator === "mustBe" && limits[0] === 0;
  if (metric === "invalidValues" && zero && column) {
    if (rule.values) into.rowRules.push({ kind: "valid_values", name, column, values: rule.values });
    if (rule.pattern !== undefined)
      into.rowRules.push({ kind: "pattern", name, column, pattern: rule.pattern });
    return;
  }
  if ((metric === "nullValues" || metric === "missingValues") && zero && column && !rule.values) {
    into.rowRules.push({ kind: "required", name, column });
    return;
  }
  const query = metric === "sql" ? readQuery(node) : undefined;
  const unit = node.get("unit").oneOf(["rows", "percent"]) ?? "rows";
  into.batchRules.push({ name, metric, ...rule, unit, operator, limits, ...(query ? { query } : {}) });
}

function readArguments(
  node: YamlNode,
  column: string | undefined,
  columns: readonly ContractColumn[] | undefined,
): { columns: string[]; values?: (string | number)[]; pattern?: string } {
  const args = node.get("arguments");
  args.only(["validValues", "missingValues", "pattern", "properties"]);
  const listed = args
    .get("properties")
    .items()
    .map((item) => item.text() ?? "");
  for (const name of listed) {
    if (columns && !columns.some((known) => known.name === name))
      args.report(`names ${name}, which is no column`, "Name columns of this table.");
  }
  const list = args.get("validValues").present ? args.get("validValues") : args.get("missingValues");
  const values = list.items().flatMap((item) => item.value() ?? []);
  const pattern = args.get("pattern").text();
  if (pattern !== undefined) checkPattern(args.get("pattern"), pattern);
  return {
    columns: column ? [column] : listed,
    ...(list.present ? { values } : {}),
    ...(pattern === undefined ? {} : { pattern }),
  };
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
    return { operator, limits: [low ?? 0, high ?? 0] };
  }
  return { operator, limits: [value.number() ?? 0] };
}

/** A query is one SELECT over `{table}`; it runs where nothing but the batch can be read. */
function readQuery(node: YamlNode): string {
  const query = node.get("query").requiredText("Write the query.").trim().replace(/;\s*$/, "");
  const plain = query.replaceAll(/'(?:[^']|'')*'/g, "''");
  if (!/^(select|with)\b/i.test(plain) || plain.includes(";"))
    node.get("query").report("is not one SELECT", "Only reading queries are allowed.");
  if (!plain.includes("{table}")) node.get("query").report("does not read {table}");
  return query;
}
