import { type ColumnTypes, expressionText, maxExpressionLength } from "@portolan/expressions";
import type { YamlNode } from "@portolan/yaml-source";
import { isNumeric, readExpression, readName } from "../read-expression.ts";
import { type OnDemandFeature, type RequestField, requestTypes } from "./on-demand-model.ts";

const mostFields = 32;

/** The fields of the request that a view names. */
export function readRequestFields(node: YamlNode): RequestField[] {
  const fields = node.items().map((item): RequestField => {
    item.only(["name", "type", "description"]);
    const type = item.get("type").oneOf([...requestTypes], `Write one of ${requestTypes.join(", ")}.`);
    return { name: readName(item), type: type ?? "float" };
  });
  if (fields.length > mostFields) node.report(`has more than ${mostFields} fields`);
  return fields;
}

/**
 * Features that are computed on demand, over request fields and `stored`, the view's other features.
 *
 * @param texts those of `stored` that are texts
 * @param node of the view's features, where names are found twice
 */
export function readOnDemand(
  node: YamlNode,
  items: readonly YamlNode[],
  fields: readonly RequestField[],
  stored: readonly string[],
  texts: readonly string[] = [],
): OnDemandFeature[] {
  const columns = onDemandColumns(fields, stored, texts);
  const named = new Set(fields.map(({ name }) => name));
  if (named.size < fields.length || stored.some((name) => named.has(name)))
    node.report("and the request fields share a name", "Rename one of them.");
  return items.map((item) => {
    item.only(["name", "onDemand", "description"]);
    const name = readName(item);
    const at = item.get("onDemand");
    const value = readExpression(at, columns);
    if (value && !isNumeric(value))
      at.report(
        `is ${value.type}; what is computed on demand is a number`,
        "Compare it, or take a part of it such as hour(…).",
      );
    if (value && expressionText(value).length > maxExpressionLength)
      at.report("is too long once its types are written out", "Split it into several features.");
    return { name, value: value ?? { op: "literal", type: "int", value: "0" } };
  });
}

/** What on-demand expressions may name; what a store keeps is read as a double, whatever it counts, or as the text that it is. */
export function onDemandColumns(
  fields: readonly RequestField[],
  stored: readonly string[],
  texts: readonly string[] = [],
): ColumnTypes {
  return Object.fromEntries([
    ...fields.map(({ name, type }) => [name, type] as const),
    ...stored.map((name) => [name, texts.includes(name) ? "text" : "float"] as const),
  ]);
}
