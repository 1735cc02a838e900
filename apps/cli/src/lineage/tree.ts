import type { Picture, PictureEdge } from "./picture.ts";

export type TreeDirection = "upstream" | "downstream";

/** Lines that a terminal is asked to show at most. */
const mostLines = 2000;

/**
 * The picture as a tree from its roots: what they come from below `upstream`, what came of them below `downstream`. What was shown
 * before is named again and not unfolded, so that cycles end.
 */
export function treeText(picture: Picture, directions: readonly TreeDirection[]): string {
  const lines: string[] = [];
  for (const root of picture.roots) {
    if (lines.length > 0) lines.push("");
    lines.push(nodeText(picture, root));
    for (const direction of directions) {
      const branch = childrenOf(picture, root, direction);
      const what = direction === "upstream" ? "comes from" : "went into";
      lines.push(branch.length === 0 ? `  ${what} nothing that is known` : `  ${what}`);
      grow(picture, { branch, direction, indent: "  ", shown: new Set([root]), lines });
    }
  }
  return lines.length > mostLines
    ? [...lines.slice(0, mostLines), `… ${lines.length - mostLines} more lines: narrow it with --depth`].join(
        "\n",
      )
    : lines.join("\n");
}

interface Branch {
  readonly branch: readonly { readonly id: string; readonly label?: string }[];
  readonly direction: TreeDirection;
  readonly indent: string;
  readonly shown: Set<string>;
  readonly lines: string[];
}

function grow(picture: Picture, { branch, direction, indent, shown, lines }: Branch): void {
  for (const [index, { id, label }] of branch.entries()) {
    if (lines.length > mostLines) return;
    const isLast = index === branch.length - 1;
    const children = childrenOf(picture, id, direction);
    const again = shown.has(id) && children.length > 0;
    const how = label ? `  [${label}]` : "";
    lines.push(
      `${indent}${isLast ? "└─ " : "├─ "}${nodeText(picture, id)}${how}${again ? "  (shown above)" : ""}`,
    );
    if (again) continue;
    shown.add(id);
    grow(picture, {
      branch: children,
      direction,
      indent: `${indent}${isLast ? "   " : "│  "}`,
      shown,
      lines,
    });
  }
}

function nodeText({ nodes }: Picture, id: string): string {
  const node = nodes.get(id);
  if (!node) return id;
  if (node.kind === "job") return `${node.label}${node.note === "" ? "" : ` (${node.note})`}`;
  return `${node.label}  ${node.note}`;
}

function childrenOf({ edges }: Picture, id: string, direction: TreeDirection) {
  const towards = (edge: PictureEdge) => (direction === "upstream" ? edge.from : edge.to);
  const at = (edge: PictureEdge) => (direction === "upstream" ? edge.to : edge.from);
  return edges
    .filter((edge) => at(edge) === id)
    .map((edge) => ({ id: towards(edge), ...(edge.label === undefined ? {} : { label: edge.label }) }));
}
