import type { Digest } from "@portolan/kernel";
import type { YamlNode } from "@portolan/yaml-source";
import { mostDigits } from "../values/quantise.ts";
import { readTextFormat, type TextFormat } from "../values/text-format.ts";
import type { BatchRule, ColumnType, ContractColumn, NamedRowRule } from "./contract-model.ts";
import { logicalTypes } from "./odcs/document-shape.ts";
import { describedWithin, memberName, readNested } from "./read-nested.ts";
import { readOptions } from "./read-options.ts";
import { readPropertyQuality } from "./read-quality.ts";

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
  const names = new Set<string>();
  for (const property of properties) {
    const column = readColumn(property, references);
    // Column names are compared without case: SQL and Parquet readers do.
    if (names.has(column.name.toLowerCase())) property.report("repeats a column name");
    names.add(column.name.toLowerCase());
    result.columns.push(column);
    readRules(property, column, result);
  }
  checkNested(properties);
  result.primaryKey.push(...readPrimaryKey(properties));
  if (result.primaryKey.length > 0)
    result.batchRules.push(duplicates("primary_key.unique", result.primaryKey));
  checkDerived(properties, result.columns);
  return result;
}

function readColumn(property: YamlNode, references: Readonly<Record<string, Digest>>): ContractColumn {
  const name = property.get("name").requiredText("Name the column.");
  if (!columnName.test(name))
    property.get("name").report("is not a column name", "Use letters, digits and underscores.");
  const source = property.get("physicalName").text() ?? name;
  if (!memberName.test(source))
    property
      .get("physicalName")
      .report("holds quotes, backslashes or control characters, or is a star alone", "Rename the column.");
  const options = property.get("logicalTypeOptions");
  const zone = readZone(options);
  const local = readLocalTime(property, references);
  const type = typeOf(property, zone, local);
  const classification = readClassification(property);
  const tags = readTags(property);
  const format = readFormat(options, type);
  const scale = readScale(property, type);
  return {
    name,
    source,
    type,
    required: property.get("required").boolean() || property.get("primaryKey").boolean(),
    ...(classification === undefined ? {} : { classification }),
    ...(tags.length === 0 ? {} : { tags }),
    ...(namesSubject(property) ? { subject: true as const } : {}),
    ...(format === undefined ? {} : { format }),
    ...(scale === undefined ? {} : { scale }),
    ...(zone === undefined || type !== "instant" ? {} : { defaultTimeZone: zone }),
    ...(local === undefined ? {} : { localTime: local }),
  };
}

function typeOf(
  property: YamlNode,
  zone: string | undefined,
  local: ContractColumn["localTime"],
): ColumnType {
  const logical = property.get("logicalType").oneOf(logicalTypes) ?? describedType(property);
  const timezone = property.get("logicalTypeOptions").get("timezone");
  if (logical === "time" && timezone.boolean())
    timezone.report("gives a time of day a zone", "Use a timestamp, or leave it out.");
  if (logical !== "timestamp") return logical as ColumnType;
  return timezone.present && !timezone.boolean() && zone === undefined && !local ? "local" : "instant";
}

/** Of a property that says no type: the standard lets what lies within speak for it. */
function describedType(property: YamlNode): (typeof logicalTypes)[number] {
  const [members, items] = [property.get("properties").present, property.get("items").present];
  if (members && items)
    property.report("describes members and items", "Say which it is: `logicalType: object` or `array`.");
  return members ? "object" : items ? "array" : "string";
}

function readZone(options: YamlNode): string | undefined {
  const zone = options.get("defaultTimezone").text();
  if (zone !== undefined && !isZone(zone))
    options
      .get("defaultTimezone")
      .report(`is ${zone}, which is no time zone`, "Write an IANA name such as Europe/Paris.");
  return zone;
}

function isZone(name: string): boolean {
  try {
    return Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}

function readFormat(options: YamlNode, type: ColumnType): TextFormat | undefined {
  if (type !== "date" && type !== "time" && type !== "local" && type !== "instant") return undefined;
  const format = options.get("format").text();
  if (format === undefined) return undefined;
  const read = readTextFormat(format, type);
  if (!read)
    options
      .get("format")
      .report(
        `is "${format.slice(0, 40)}", which is not understood`,
        "Use yyyy, MM, dd, HH, mm, ss, S and X, each once, with text in single quotes.",
      );
  return read;
}

function readScale(property: YamlNode, type: ColumnType): number | undefined {
  const node = customProperty(property, "portolan.scale");
  if (!node) return undefined;
  const scale = node.number();
  if (type !== "number") node.report("is a scale of what is no number", "Write `logicalType: number`.");
  if (scale !== undefined && Number.isInteger(scale) && scale >= 0 && scale <= mostDigits) return scale;
  node.report(`is no whole number from 0 to ${mostDigits}`, "Say how many digits are kept after the point.");
  return undefined;
}

/** A column is kept, shown or hidden whole: what is said of a value within it is said of the column. */
function readClassification(property: YamlNode): string | undefined {
  const own = property.get("classification").text();
  const within = new Set(
    describedWithin(property).flatMap((value) => value.get("classification").text() ?? []),
  );
  if (own !== undefined) within.add(own);
  if (within.size > 1)
    property.report(
      `is of several classes, with what lies within: ${[...within].join(", ")}`,
      "Write the strictest one, of the column alone: it is shown or hidden whole.",
    );
  return own ?? [...within][0];
}

/** In the order of the alphabet, each once: another order is no other contract. Those of what lies within it are the column's, too. */
function readTags(property: YamlNode): string[] {
  const tags = [property, ...describedWithin(property)].flatMap((value) => value.get("tags").items());
  return [...new Set(tags.flatMap((tag) => tag.text() ?? []))].toSorted();
}

function namesSubject(property: YamlNode): boolean {
  return customProperty(property, "portolan.subject")?.boolean() ?? false;
}

function customProperty(property: YamlNode, name: string): YamlNode | undefined {
  return property
    .get("customProperties")
    .items()
    .find((item) => item.get("property").text() === name)
    ?.get("value");
}

function readLocalTime(
  property: YamlNode,
  references: Readonly<Record<string, Digest>>,
): ContractColumn["localTime"] {
  const value = customProperty(property, "portolan.localTime");
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

/** Columns of the primary key, in the order of their positions; without positions, in that of the document. */
function readPrimaryKey(properties: readonly YamlNode[]): string[] {
  return properties
    .filter((property) => property.get("primaryKey").boolean())
    .map((property, index) => ({
      name: property.get("name").text() ?? "",
      position: property.get("primaryKeyPosition").number() ?? -1,
      index,
    }))
    .toSorted((a, b) => a.position - b.position || a.index - b.index)
    .map(({ name }) => name);
}

function readRules(property: YamlNode, column: ContractColumn, into: Columns): void {
  const { name } = column;
  if (column.required) into.rowRules.push({ kind: "required", name: `${name}.required`, column: name });
  if (property.get("unique").boolean()) into.batchRules.push(duplicates(`${name}.unique`, [name]));
  into.rowRules.push(...readOptions(property.get("logicalTypeOptions"), column));
  const quality = readPropertyQuality(property, column);
  into.rowRules.push(...quality.rowRules);
  into.batchRules.push(...quality.batchRules);
  into.rowRules.push(...readNested(property, name, readDescribed, mostNested));
}

/** So many that what judges a row stays a statement that the engine plans in seconds: of a thousand it took eight times as long as of two hundred. */
const mostNested = 200;
const mostNestedOfTable = 500;

function checkNested(properties: readonly YamlNode[]): void {
  let described = 0;
  for (const property of properties) {
    const before = described;
    described += describedWithin(property).length;
    if (before <= mostNestedOfTable && described > mostNestedOfTable)
      property.report(
        `brings the nested values that the table describes to ${described}`,
        `Describe ${mostNestedOfTable} at most in all columns together: what is not described is kept as it came.`,
      );
  }
}

function readDescribed(property: YamlNode, name: string): ContractColumn {
  const options = property.get("logicalTypeOptions");
  const zone = readZone(options);
  const type = typeOf(property, zone, undefined);
  const format = readFormat(options, type);
  return {
    name,
    source: name,
    type,
    required: false,
    ...(format === undefined ? {} : { format }),
    ...(zone === undefined || type !== "instant" ? {} : { defaultTimeZone: zone }),
  };
}

function duplicates(name: string, columns: readonly string[]): BatchRule {
  return { name, metric: "duplicateValues", columns, unit: "rows", operator: "mustBe", limits: [0] };
}
