import { createHash } from "node:crypto";

/** Markup that is safe as it stands: only `html` makes it. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Part = Html | string | number | readonly Html[] | undefined;

/** Markup with what is put into it escaped; markup itself, and lists of it, stand as they are; undefined is nothing. */
export function html(parts: TemplateStringsArray, ...values: readonly Part[]): Html {
  return new Html(parts.map((part, at) => part + textOf(values[at])).join(""));
}

function textOf(value: Part): string {
  if (value === undefined) return "";
  if (value instanceof Html) return value.text;
  if (typeof value === "object") return value.map(({ text }) => text).join("");
  return String(value).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** Dark on light, at least 7 to 1 but for the buttons' 6.3 to 1; nothing is told by colour alone. */
const css = `
:root { color-scheme: light; font: 1.05rem/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; }
body { max-width: 60rem; margin: 0 auto; padding: 1rem; }
a { color: #0b3d91; }
:focus-visible { outline: 3px solid #0b3d91; outline-offset: 2px; }
.skip { position: absolute; left: -100rem; }
.skip:focus { left: 1rem; background: #fff; padding: .5rem; }
header { display: flex; justify-content: space-between; align-items: center; gap: 1rem; flex-wrap: wrap; border-bottom: 1px solid #595959; }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; font-weight: bold; padding: .5rem 0; }
th, td { text-align: left; padding: .4rem .6rem; border-bottom: 1px solid #767676; overflow-wrap: anywhere; vertical-align: top; }
fieldset { border: 1px solid #595959; margin: 1rem 0; padding: 1rem; }
label { display: inline-block; margin: .25rem 0; }
input, select, textarea, button { font: inherit; }
input[type="password"], input[type="text"], select, textarea { display: block; width: 100%; max-width: 40rem; padding: .5rem; border: 1px solid #595959; box-sizing: border-box; }
button { background: #0b57d0; color: #fff; border: 1px solid #0b57d0; padding: .5rem 1rem; min-height: 2.75rem; }
.plain { background: #fff; color: #0b3d91; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; border: 1px solid #767676; padding: .5rem; }
.note { border-left: .4rem solid #8a1c1c; padding: .5rem 1rem; background: #fdf3f3; }
`;

/** Nothing is loaded from anywhere, no script runs, forms go here alone, and nobody may frame a page. */
export const pageHeaders = {
  "content-type": "text/html; charset=utf-8",
  "content-security-policy": `default-src 'none'; style-src 'sha256-${createHash("sha256").update(css).digest("base64")}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
  "x-content-type-options": "nosniff",
  "referrer-policy": "same-origin",
  "cache-control": "no-store",
} as const;

/** A whole page. `who` is absent where nobody is signed in. */
export function page(
  title: string,
  body: Html,
  who?: { readonly name: string; readonly token: string },
): string {
  const signOut =
    who &&
    html`<form method="post" action="/reviews/sign-out">${tokenField(who.token)}<span>Signed in as ${who.name}</span> <button class="plain">Sign out</button></form>`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} – Portolan reviews</title>
<style>${new Html(css)}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header><nav aria-label="Reviews"><a href="/reviews">Reviews</a></nav>${signOut}</header>
<main id="main">
<h1>${title}</h1>
${body}
</main>
</body>
</html>
`.text;
}

/** What shows that a form came from a page of this session. */
export function tokenField(token: string): Html {
  return html`<input type="hidden" name="token" value="${token}">`;
}
