import { readErrorCatalogues } from "../error-catalogues.ts";
import type { Generator } from "../generated-files.ts";

/** docs/errors/README.md: every error code with its status and title, linked to its page. */
export const generator: Generator = {
  generate(root) {
    const errors = readErrorCatalogues(root).sort((a, b) => (a.code < b.code ? -1 : 1));
    const rows = errors.map(({ code, status, title }) => `| [${code}](${code}.md) | ${status} | ${title} |`);
    const text = [
      "# Errors",
      "",
      "Every error that Portolan answers with, by its code. The code is the stable name: scripts compare it,",
      "people look it up here. Over HTTP it is the last part of `type` in `application/problem+json` (RFC 9457).",
      "",
      "| code | status | title |",
      "|---|---|---|",
      ...rows,
      "",
    ];
    return new Map([["docs/errors/README.md", text.join("\n")]]);
  },
};
