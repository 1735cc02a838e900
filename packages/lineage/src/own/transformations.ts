import type { Expression } from "@portolan/expressions";
import type { Transformation } from "../openlineage/column-lineage.ts";

// The standard's words for how a column depends on another (its column lineage facet).

export const identity: Transformation = { type: "DIRECT", subtype: "IDENTITY" };
export const transformed = (description?: string): Transformation => ({
  type: "DIRECT",
  subtype: "TRANSFORMATION",
  ...(description === undefined ? {} : { description }),
});
export const aggregated = (description: string): Transformation => ({
  type: "DIRECT",
  subtype: "AGGREGATION",
  description,
});
export const indirect = (
  subtype: "JOIN" | "GROUP_BY" | "FILTER" | "SORT" | "WINDOW" | "CONDITIONAL",
  description?: string,
): Transformation => ({ type: "INDIRECT", subtype, ...(description === undefined ? {} : { description }) });

/** Whether the value of a column goes into the result, or only decides which value does. */
export interface ColumnUse {
  readonly column: string;
  readonly use: "identity" | "transformation" | "condition";
}

/** How an expression uses its columns, each at most once per use: the condition of an `if` decides, everything else enters. Pure. */
export function columnUses(expression: Expression): ColumnUse[] {
  if (expression.op === "column") return [{ column: expression.name, use: "identity" }];
  const found = new Map<string, ColumnUse>();
  const visit = (node: Expression, use: ColumnUse["use"]): void => {
    if (node.op === "column") found.set(`${use} ${node.name}`, { column: node.name, use });
    if (node.op !== "call") return;
    for (const [index, arg] of node.args.entries())
      visit(arg, node.fn === "if" && index === 0 ? "condition" : use);
  };
  visit(expression, "transformation");
  return [...found.values()];
}

export function transformationOf({ use }: ColumnUse): Transformation {
  if (use === "identity") return identity;
  return use === "condition" ? indirect("CONDITIONAL") : transformed();
}
