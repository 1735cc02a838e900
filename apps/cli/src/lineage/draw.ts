import { escaped } from "../markup.ts";
import { type Layout, layoutOf, nodeHeight, nodeWidth } from "./layout.ts";
import type { Picture, PictureNode } from "./picture.ts";

export const pictureFormats = ["svg", "html", "dot"] as const;
export type PictureFormat = (typeof pictureFormats)[number];

/** The whole text of a file in that format; nothing in it refers to anything outside. */
export function draw(picture: Picture, format: PictureFormat, title: string): string {
  if (format === "dot") return dotText(picture);
  const svg = svgText(picture, title);
  return format === "svg" ? svg : htmlText(picture, svg, title);
}

const colours = { dataset: "#dbeafe", job: "#fef3c7", column: "#dcfce7" } as const;
/** Characters that fit into a box. */
const fits = 36;

function svgText(picture: Picture, title: string): string {
  const layout = layoutOf(picture);
  const { width, height } = layout;
  const edges = picture.edges.map(({ from, to, label }) => edgeSvg(layout, from, to, label));
  const nodes = [...picture.nodes.values()].map((node) =>
    nodeSvg(layout, node, picture.roots.includes(node.id)),
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">
<title>${escaped(title)}</title>
<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#64748b"/></marker></defs>
<rect width="100%" height="100%" fill="#ffffff"/>
${[...edges, ...nodes].join("\n")}
</svg>
`;
}

function edgeSvg({ nodes }: Layout, from: string, to: string, label: string | undefined): string {
  const [start, end] = [nodes.get(from), nodes.get(to)];
  if (!start || !end) return "";
  const [x1, y1] = [start.x + nodeWidth, start.y + nodeHeight / 2];
  const [x2, y2] = [end.x, end.y + nodeHeight / 2];
  const bend = Math.max(30, Math.abs(x2 - x1) / 2);
  const path = `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
  const tip = label ? `<title>${escaped(label)}</title>` : "";
  return `<path d="${path}" fill="none" stroke="#64748b" marker-end="url(#tip)">${tip}</path>`;
}

function nodeSvg({ nodes }: Layout, { id, label, note, kind }: PictureNode, isRoot: boolean): string {
  const at = nodes.get(id);
  if (!at) return "";
  const { x, y } = at;
  return `<g><title>${escaped(`${label}\n${note}`)}</title><rect x="${x}" y="${y}" width="${nodeWidth}" height="${nodeHeight}" rx="${kind === "job" ? 18 : 4}" fill="${colours[kind]}" stroke="${isRoot ? "#1d4ed8" : "#94a3b8"}" stroke-width="${isRoot ? 2.5 : 1}"/>
<text x="${x + 10}" y="${y + 17}">${escaped(cut(label))}</text><text x="${x + 10}" y="${y + 32}" font-size="10" fill="#475569">${escaped(cut(note))}</text></g>`;
}

function cut(text: string): string {
  return text.length <= fits ? text : `${text.slice(0, fits - 1)}…`;
}

function htmlText(picture: Picture, svg: string, title: string): string {
  const rows = [...picture.nodes.values()].map(
    ({ label, note, kind }) => `<tr><td>${kind}</td><td>${escaped(label)}</td><td>${escaped(note)}</td></tr>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${escaped(title)}</title>
<style>body{font-family:sans-serif;margin:1rem}div{overflow:auto;border:1px solid #cbd5e1}td,th{text-align:left;padding:.2rem .8rem}</style></head>
<body><h1>${escaped(title)}</h1><div>${svg}</div>
<table><thead><tr><th>what</th><th>name</th><th>where</th></tr></thead><tbody>${rows.join("\n")}</tbody></table></body></html>
`;
}

/** Graphviz. */
function dotText({ nodes, edges, roots }: Picture): string {
  const quoted = (text: string) =>
    `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`;
  const shape = { dataset: "box", job: "ellipse", column: "box" } as const;
  const boxes = [...nodes.values()].map(
    ({ id, label, note, kind }) =>
      `  ${quoted(id)} [label=${quoted(`${label}\n${note}`)}, shape=${shape[kind]}, style=filled, fillcolor="${colours[kind]}"${roots.includes(id) ? ", penwidth=2.5" : ""}];`,
  );
  const arrows = edges.map(
    ({ from, to, label }) => `  ${quoted(from)} -> ${quoted(to)}${label ? ` [label=${quoted(label)}]` : ""};`,
  );
  return `digraph lineage {\n  rankdir=LR;\n${[...boxes, ...arrows].join("\n")}\n}\n`;
}
