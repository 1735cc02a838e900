import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Generator } from "../generated-files.ts";

const folder = "docs/adr";

/** docs/adr/README.md: the decisions in order, by the first heading of each. */
export const generator: Generator = {
  generate(root) {
    const files = readdirSync(join(root, folder)).filter((file) => /^\d{4}-[\w-]+\.md$/.test(file));
    const rows = files.sort().map((file) => {
      const heading = /^# (?:\d{4}[.:]? )?(.+)$/m.exec(readFileSync(join(root, folder, file), "utf8"))?.[1];
      return `| ${file.slice(0, 4)} | [${heading ?? file}](${file}) |`;
    });
    const text = [
      "# Decisions",
      "",
      "One page per choice that is costly to take back, with the option that was rejected. A decision is never",
      "edited into its opposite: a later page replaces it and says so.",
      "",
      "| no. | decision |",
      "|---|---|",
      ...rows,
      "",
    ];
    return new Map([[`${folder}/README.md`, text.join("\n")]]);
  },
};
