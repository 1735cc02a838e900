import type { Digest } from "@portolan/kernel";
import type { YamlNode } from "@portolan/yaml-source";
import { checkPattern } from "./check-pattern.ts";
import type { BatchRule, ColumnType, ContractColumn, NamedRowRule, RangeBound } from "./contract-model.ts";
import { readPropertyQuality } from "./read-quality.ts";

const propertyKeys = [
  "id",
  "name",
  "physicalName",
  "logicalType",
  "physicalType",
  "logicalTypeOptions",
  "required",
  "unique",
  "primaryKey",
  "primaryKeyPosition",
  "partitioned",
  "partitionKeyPosition",
  "description",
  "businessName",
  "classification",
  "encryptedName",
  "criticalDataElement",
  "transformSourceObjects",
  "transformLogic",
  "transformDescription",
  "examples",
  "tags",
  "quality",
  "customProperties",
  "authoritativeDefinitions",
  "relationships",
] as const;
const logicalTypes = ["string", "integer", "number", "boolean", "timestamp"] as const;
const columnName = /^[A-Za-z][A-Za-z0-9_]{0,62}$/;

interface Columns {
  readonly columns: ContractColumn[];
  readonly primaryKey: string[];
  readonly rowRules: NamedRowRule[];
  readonly batchRules: BatchRule[];
}

/** Columns of a table with the rules that stand at them. */
export function readColumns(table: YamlNode, references: Readonly<Record<string, Digest>>): Columns {
  const result: Columns = { columns: [], primaryKey: [], rowRules: [], batchRules: [] };
  const properties = table.get("properties").items();
  if (properties.length === 0 || properties.length > 500)
    table.get("properties").report("must hold 1 to 500 columns");
  for (const property of properties) {
    const column = readColumn(property, references);
    if (result.columns.some((other) => other.name === column.name)) property.report("repeats a column name");
    result.columns.push(column);
    readRules(property, column, result);
  }
  checkDerived(properties, result.columns);
  return result;
}

function readColumn(property: YamlNode, references: Readonly<Record<string, Digest>>): ContractColumn {
  property.only(propertyKeys);
  const name = property.get("name").requiredText("Name the column.");
  if (!columnName.test(name))
    property.get("name").report("is not a column name", "Use letters, digits and underscores.");
  const logical =
    property.get("logicalType").oneOf(logicalTypes, `Use one of: ${logicalTypes.join(", ")}.`) ?? "string";
  const options = property.get("logicalTypeOptions");
  const naive = options.get("timezone").present && !options.get("timezone").boolean();
  const zone = options.get("defaultTimezone").text();
  const local = readLocalTime(property, references);
  const type: ColumnType = logical !== "timestamp" ? logical : naive && !zone && !local ? "local" : "instant";
  const classification = property.get("classification").text();
  return {
    name,
    source: property.get("physicalName").text() ?? name,
    type,
    required: property.get("required").boolean() || property.get("primaryKey").boolean(),
    ...(classification === undefined ? {} : { classification }),
    ...(zone === undefined ? {} : { defaultTimeZone: zone }),
    ...(local === undefined ? {} : { localTime: local }),
  };
}

function readLocalTime(
  property: YamlNode,
  references: Readonly<Record<string, Digest>>,
): ContractColumn["localTime"] {
  const value = property
    .get("customProperties")
    .items()
    .find((item) => item.get("property").text() === "portolan.localTime")
    ?.get("value");
  if (!value) return undefined;
  const zones = value.get("zones").requiredText("Name the zone table, a CSV with two columns.");
  if (!Object.hasOwn(references, zones))
    value.get("zones").report(`names ${zones}, which did not come with the contract`, "Send it along.");
  return {
    from: value.get("from").requiredText("Name the local time column."),
    key: value.get("key").requiredText("Name the column whose value selects the zone."),
    zones,
  };
}

function checkDerived(properties: readonly YamlNode[], columns: readonly ContractColumn[]): void {
  for (const [index, column] of columns.entries()) {
    if (!column.localTime) continue;
    const { from, key } = column.localTime;
    if (columns.find((other) => other.name === from)?.type !== "local")
      properties[index]?.report(
        `reads ${from}, which is no local time`,
        "Give that column `timezone: false`.",
      );
    if (columns.find((other) => other.name === key)?.type !== "string")
      properties[index]?.report(`selects the zone by ${key}, which is no string column`);
  }
}

function readRules(property: YamlNode, column: ContractColumn, into: Columns): void {
  const { name } = column;
  if (property.get("primaryKey").boolean()) into.primaryKey.push(name);
  if (column.required) into.rowRules.push({ kind: "required", name: `${name}.required`, column: name });
  if (property.get("unique").boolean()) {
    into.batchRules.push({
      name: `${name}.unique`,
      metric: "duplicateValues",
      columns: [name],
      unit: "rows",
      operator: "mustBe",
      limits: [0],
    });
  }
  readOptions(property.get("logicalTypeOptions"), column, into.rowRules);
  const quality = readPropertyQuality(property, name);
  into.rowRules.push(...quality.rowRules);
  into.batchRules.push(...quality.batchRules);
}

const bounds: Readonly<Record<string, RangeBound>> = {
  minimum: "min",
  maximum: "max",
  exclusiveMinimum: "exclusive_min",
  exclusiveMaximum: "exclusive_max",
  multipleOf: "multiple_of",
};
const optionsByType: Readonly<Record<ColumnType, readonly string[]>> = {
  string: ["minLength", "maxLength", "pattern", "format"],
  integer: [...Object.keys(bounds), "format"],
  number: [...Object.keys(bounds), "format"],
  boolean: [],
  instant: ["timezone", "defaultTimezone", "format"],
  local: ["timezone", "defaultTimezone", "format"],
};

function readOptions(options: YamlNode, column: ContractColumn, into: NamedRowRule[]): void {
  options.only(optionsByType[column.type]);
  for (const [key, bound] of Object.entries(bounds)) {
    const limit = options.get(key).number();
    if (limit !== undefined)
      into.push({ kind: "range", name: `${column.name}.${key}`, column: column.name, bound, limit });
  }
  for (const [key, bound] of [
    ["minLength", "min"],
    ["maxLength", "max"],
  ] as const) {
    const limit = options.get(key).number();
    if (limit !== undefined)
      into.push({ kind: "length", name: `${column.name}.${key}`, column: column.name, bound, limit });
  }
  const pattern = options.get("pattern").text();
  if (pattern !== undefined) {
    checkPattern(options.get("pattern"), pattern);
    into.push({ kind: "pattern", name: `${column.name}.pattern`, column: column.name, pattern });
  }
}
