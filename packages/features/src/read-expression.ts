import { type ColumnTypes, type Expression, parseExpression } from "@portolan/expressions";
import { isPortolanError } from "@portolan/kernel";
import type { YamlNode } from "@portolan/yaml-source";

/** An expression over the columns; what is wrong with it is reported where it stands. */
export function readExpression(
  node: YamlNode,
  columns: ColumnTypes,
  text = node.text() ?? "",
): Expression | undefined {
  try {
    return parseExpression(text, columns);
  } catch (error) {
    if (!isPortolanError(error)) throw error;
    node.report(error.detail ?? "is not understood", error.mend);
    return undefined;
  }
}

/** Lower case, so that stores, files and models write it alike. */
export const featureName = /^[a-z][a-z0-9_]{0,62}$/;

export function readName(node: YamlNode): string {
  const name = node.get("name").requiredText("Name the feature.");
  if (!featureName.test(name))
    node.get("name").report("is not a feature name", "Use lower case, digits and underscores.");
  return name;
}

/** A model takes numbers; a truth value is 0 or 1. */
export function isNumeric({ type }: Expression): boolean {
  return type === "int" || type === "float" || type === "bool";
}
