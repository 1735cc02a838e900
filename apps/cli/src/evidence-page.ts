import { escaped } from "./markup.ts";

/** A whole page of evidence, without a script and without anything from elsewhere. Every text of it is escaped. */
export function evidencePage(title: string, sections: readonly string[]): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escaped(title)}</title>
<style>${style}</style></head>
<body><main><h1>${escaped(title)}</h1>
${sections.join("\n")}
</main></body></html>
`;
}

const style = `body{font:16px/1.5 system-ui,sans-serif;margin:1.5rem;color:#0f172a;background:#fff}main{max-width:56rem;margin:auto}
dl{display:grid;grid-template-columns:minmax(8rem,max-content) 1fr;gap:.3rem 1rem}dt{font-weight:600}dd{margin:0;overflow-wrap:anywhere}
.wide{overflow-x:auto}.wide svg{display:block;min-width:34rem;max-width:100%;height:auto}table{border-collapse:collapse;margin:.8rem 0}caption{text-align:left;font-weight:600;padding:.3rem 0}
th,td{text-align:left;padding:.3rem .9rem .3rem 0;border-bottom:1px solid #cbd5e1;vertical-align:top}code span{white-space:nowrap}
@media (max-width:40rem){.wide table{min-width:44rem}dl{grid-template-columns:1fr}dd{margin-bottom:.5rem}}`;

/** @param content markup of its own */
export function section(title: string, content: string): string {
  return `<section><h2>${escaped(title)}</h2>\n${content}</section>`;
}

/** Names and values; what has no value is left out. */
export type Facts = readonly (readonly [string, string | number | undefined])[];

export function facts(entries: Facts): string {
  const lines = entries.flatMap(([name, value]) =>
    value === undefined || value === ""
      ? []
      : [`<dt>${escaped(name)}</dt><dd>${escaped(String(value))}</dd>`],
  );
  return `<dl>${lines.join("\n")}</dl>`;
}

export function list(items: readonly string[], none: string): string {
  if (items.length === 0) return `<p>${escaped(none)}</p>`;
  return `<ul>${items.map((item) => `<li>${escaped(item)}</li>`).join("")}</ul>`;
}

export function listed(title: string, items: readonly string[]): string {
  return `<h3>${escaped(title)}</h3>${list(items, "None.")}`;
}

/** Where the window is narrower than what is in it, that scrolls and not the page. @param content markup of its own */
export function wide(label: string, content: string): string {
  return `<div class="wide" tabindex="0" role="region" aria-label="${escaped(label)}">${content}</div>`;
}

/** Text, or what is to be typed as it stands. */
type Cell = string | { readonly code: string };

export function table(caption: string, heads: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const body = rows.map(([first = "", ...rest]) => {
    const cells = rest.map((cell) => `<td>${cellOf(cell)}</td>`).join("");
    return `<tr><th scope="row">${cellOf(first)}</th>${cells}</tr>`;
  });
  return wide(
    caption,
    `<table><caption>${escaped(caption)}</caption>
<thead><tr>${heads.map((head) => `<th scope="col">${escaped(head)}</th>`).join("")}</tr></thead>
<tbody>${body.join("\n")}</tbody></table>`,
  );
}

function cellOf(cell: Cell): string {
  if (typeof cell === "string") return escaped(cell);
  // A line ends between words only: half a --use-case could not be typed.
  const words = cell.code.split(" ").map((word) => `<span>${escaped(word)}</span>`);
  return `<code>${words.join(" ")}</code>`;
}

/** Six of them, for people. */
export function digits(value: number): string {
  return String(Number(value.toPrecision(6)));
}
