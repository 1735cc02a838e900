import type { YamlNode } from "@portolan/yaml-source";
import { parseText } from "../values/parse-value.ts";
import { checkPattern } from "./check-pattern.ts";
import type { ContractColumn, NamedRowRule, RangeBound } from "./contract-model.ts";

const bounds: Readonly<Record<string, RangeBound>> = {
  minimum: "min",
  maximum: "max",
  exclusiveMinimum: "exclusive_min",
  exclusiveMaximum: "exclusive_max",
  multipleOf: "multiple_of",
};

/** Rules that a column's `logicalTypeOptions` make. */
export function readOptions(options: YamlNode, column: ContractColumn): NamedRowRule[] {
  const rules: NamedRowRule[] = [...readRanges(options, column), ...readSizes(options, column)];
  const pattern = options.get("pattern").text();
  if (pattern !== undefined) {
    checkPattern(options.get("pattern"), pattern);
    rules.push({ kind: "pattern", name: `${column.name}.pattern`, column: column.name, pattern });
  }
  const format = options.get("format").text();
  if (format !== undefined) rules.push(...formatRules(options.get("format"), column, format));
  return rules;
}

function readRanges(options: YamlNode, column: ContractColumn): NamedRowRule[] {
  const rules: NamedRowRule[] = [];
  for (const [key, bound] of Object.entries(bounds)) {
    const limit = options.get(key).present ? readLimit(options.get(key), column) : undefined;
    if (limit !== undefined)
      rules.push({ kind: "range", name: `${column.name}.${key}`, column: column.name, bound, limit });
  }
  return rules;
}

function readLimit(node: YamlNode, column: ContractColumn): number | undefined {
  if (column.type === "integer" || column.type === "number") return node.number();
  const text = node.text();
  if (text === undefined) return undefined;
  // Limits are ISO 8601, whatever the source writes.
  const { type, defaultTimeZone } = column;
  const value = parseText({ type, ...(defaultTimeZone === undefined ? {} : { defaultTimeZone }) }, text);
  if (typeof value === "bigint") return Number(value);
  node.report(
    `is no ${type === "instant" || type === "local" ? "timestamp" : type}`,
    "Write it as in ISO 8601.",
  );
  return undefined;
}

function readSizes(options: YamlNode, column: ContractColumn): NamedRowRule[] {
  const rules: NamedRowRule[] = [];
  const limits = [
    ["minLength", "length", "min"],
    ["maxLength", "length", "max"],
    ["minItems", "size", "min"],
    ["maxItems", "size", "max"],
    ["minProperties", "size", "min"],
    ["maxProperties", "size", "max"],
  ] as const;
  for (const [key, kind, bound] of limits) {
    const limit = options.get(key).number();
    if (limit !== undefined)
      rules.push({ kind, name: `${column.name}.${key}`, column: column.name, bound, limit });
  }
  if (options.get("uniqueItems").present && options.get("uniqueItems").boolean())
    rules.push({ kind: "unique_items", name: `${column.name}.uniqueItems`, column: column.name });
  if (column.type === "object")
    for (const item of options.get("required").items()) {
      const member = item.text() ?? "";
      rules.push({ kind: "member", name: `${column.name}.required.${member}`, column: column.name, member });
    }
  return rules;
}

/** Formats of texts, as patterns of RE2: RFC 5322 without comments, RFC 9562, RFC 3986, RFC 1123, RFC 4648 §4. */
const textFormats: Readonly<Record<string, string>> = {
  email:
    "^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+$",
  uuid: "^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$",
  uri: "^[A-Za-z][A-Za-z0-9+.-]*:[!#-;=?-\\[\\]_a-z~%]+$",
  hostname:
    "^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$",
  ipv4: "^(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?:\\.|$)){4}$",
  ipv6: ipv6Pattern(),
  byte: "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
};
/** They say how a text is to be handled, and nothing that it could break. */
const silentFormats = ["password", "binary"];
/** Bounds of the integer formats; those of 64 bits and more are the type's own. */
const integerFormats: Readonly<Record<string, readonly [number | undefined, number | undefined]>> = {
  i8: [-128, 127],
  i16: [-32_768, 32_767],
  i32: [-2_147_483_648, 2_147_483_647],
  i64: [undefined, undefined],
  i128: [undefined, undefined],
  u8: [0, 255],
  u16: [0, 65_535],
  u32: [0, 4_294_967_295],
  u64: [0, undefined],
  u128: [0, undefined],
};
const largestFloat32 = 3.4028234663852886e38;

function formatRules(node: YamlNode, column: ContractColumn, format: string): NamedRowRule[] {
  const of = { name: `${column.name}.format`, column: column.name };
  if (column.type === "string") {
    const pattern = Object.hasOwn(textFormats, format) ? textFormats[format] : undefined;
    if (pattern !== undefined) return [{ ...of, kind: "pattern", pattern }];
    if (!silentFormats.includes(format))
      node.report(
        `is "${format.slice(0, 40)}", which nothing here checks`,
        `Use one of: ${[...Object.keys(textFormats), ...silentFormats].join(", ")}; or a pattern.`,
      );
    return [];
  }
  const [low, high] =
    column.type === "integer"
      ? (integerFormats[format] ?? [])
      : format === "f32"
        ? [-largestFloat32, largestFloat32]
        : [];
  return [
    ...(low === undefined ? [] : [{ ...of, kind: "range", bound: "min", limit: low } as const]),
    ...(high === undefined ? [] : [{ ...of, kind: "range", bound: "max", limit: high } as const]),
  ];
}

/** RFC 4291 §2.2: eight groups, or fewer around one `::`; the last two may be an IPv4 address. */
function ipv6Pattern(): string {
  const group = "[0-9A-Fa-f]{1,4}";
  const v4 =
    "(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\\.){3}(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
  const last = `(?:${group}:${group}|${v4})`;
  const forms = [`(?:${group}:){6}${last}`];
  for (let before = 0; before <= 5; before++) {
    const head = before === 0 ? "" : `(?:${group}(?::${group}){0,${before - 1}})?`;
    forms.push(`${head}::(?:${group}:){${5 - before}}${last}`);
  }
  forms.push(`(?:${group}(?::${group}){0,5})?::${group}`, `(?:${group}(?::${group}){0,6})?::`);
  return `^(?:${forms.join("|")})$`;
}
