import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { generateAll } from "./generated-files.ts";
import type { CheckReport } from "./source-files.ts";

/** Compares each generated file with what its generator makes now. */
export function compareGenerated(root: string, wanted: ReadonlyMap<string, string>): CheckReport {
  const problems: string[] = [];
  for (const [path, content] of wanted) {
    const present = existsSync(join(root, path)) ? readFileSync(join(root, path), "utf8") : undefined;
    if (present === content) continue;
    const state = present === undefined ? "is missing" : "differs from its sources";
    problems.push(`${path} ${state}: run ./portolan dev generate and commit the result`);
  }
  return { examined: wanted.size, problems };
}

export async function checkGenerated(root: string): Promise<CheckReport> {
  return compareGenerated(root, await generateAll(root));
}

/** Writes what changed; resolves to the paths written. */
export async function writeGenerated(root: string): Promise<string[]> {
  const written: string[] = [];
  for (const [path, content] of await generateAll(root)) {
    const file = join(root, path);
    if (existsSync(file) && readFileSync(file, "utf8") === content) continue;
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
    written.push(path);
  }
  return written;
}
