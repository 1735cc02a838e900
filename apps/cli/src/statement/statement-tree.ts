import { type StatementDocument, tenantLevels } from "@portolan/metering";
import { escaped } from "../markup.ts";
import { cents, shareText, trendText, unitCostText, usedText } from "./statement-words.ts";

type Line = StatementDocument["lines"][number];

export interface StatementNode {
  readonly line: Line;
  /** What it is made of, in the order of the statement below: their totals sum to its own. */
  readonly parts: readonly StatementNode[];
}

/** Statements of one month at several levels as one tree. What has no name at a level stands under its unit without one. Pure. */
export function statementTree(documents: readonly StatementDocument[]): readonly StatementNode[] {
  const inOrder = documents.toSorted((a, b) => tenantLevels.indexOf(a.by) - tenantLevels.indexOf(b.by));
  return nodesBelow([], inOrder);
}

function nodesBelow(
  names: readonly string[],
  [document, ...deeper]: readonly StatementDocument[],
): StatementNode[] {
  if (document === undefined) return [];
  const isBelow = (line: Line) => names.every((name, at) => line.names[at] === name);
  return document.lines.filter(isBelow).map((line) => {
    const parts = nodesBelow(line.names, deeper);
    const [only, ...others] = parts;
    // A part that is all of it, without a name of its own, says nothing more.
    const saysNothing = only !== undefined && others.length === 0 && only.line.names.at(-1) === "";
    return { line, parts: saysNothing ? only.parts : parts };
  });
}

/** As lists that open: from the business unit down to the environment. */
export function treeSection(nodes: readonly StatementNode[], total: string): string {
  if (nodes.every(({ parts }) => parts.length === 0)) return "";
  return `<h2>Down to the environment</h2><ul class="tree">${nodes.map((node) => treeItem(node, total)).join("\n")}</ul>`;
}

function treeItem({ line, parts }: StatementNode, total: string): string {
  const name = line.names.at(-1) || "(without a name)";
  const trend = trendText(line);
  const more = [
    usedText(line.used),
    unitCostText(line),
    trend === "" ? "" : `${trend} beside ${line.trend?.at(-1)?.month ?? ""}`,
  ]
    .filter(Boolean)
    .join("; ");
  const words = `<strong>${escaped(name)}</strong> <span class="n" title="${escaped(line.total)}">${cents(line.total)}</span> (${shareText(line.total, total)})${more === "" ? "" : `: ${escaped(more)}`}`;
  if (parts.length === 0) return `<li>${words}</li>`;
  return `<li><details><summary>${words}</summary><ul>${parts.map((part) => treeItem(part, total)).join("\n")}</ul></details></li>`;
}
