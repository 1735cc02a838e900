import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readErrorCatalogues } from "./error-catalogues.ts";
import type { CheckReport } from "./source-files.ts";

const pages = "docs/errors";
const sections = ["What happened", "Why", "What to do"] as const;

function pageProblems(root: string, code: string, declaredIn: string): string[] {
  const page = `${pages}/${code}.md`;
  if (!existsSync(join(root, page))) return [`${page} is missing: ${declaredIn} declares ${code}`];
  const text = readFileSync(join(root, page), "utf8");
  const missing = sections.filter((section) => !new RegExp(`^#+ ${section}\\s*$`, "im").test(text));
  const problems = missing.map((section) => `${page} has no section "## ${section}"`);
  if (!text.split("\n", 1)[0]?.includes(code))
    problems.push(`${page} does not name ${code} in its first line`);
  return problems;
}

/** One page per error code, and no page for a code that no longer exists. */
export function checkErrorPages(root: string): CheckReport {
  const catalogued = readErrorCatalogues(root);
  const problems: string[] = [];
  const owners = new Map<string, string>();
  for (const { code, path } of catalogued) {
    const owner = owners.get(code);
    if (owner !== undefined) problems.push(`${path} declares ${code}, which ${owner} declares already`);
    owners.set(code, path);
  }
  for (const [code, path] of owners) problems.push(...pageProblems(root, code, path));
  const files = existsSync(join(root, pages)) ? readdirSync(join(root, pages)) : [];
  for (const file of files) {
    const code = file.replace(/\.md$/, "");
    if (file !== "README.md" && !owners.has(code))
      problems.push(`${pages}/${file} documents ${code}, which no catalogue declares`);
  }
  return { examined: owners.size, problems };
}
