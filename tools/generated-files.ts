import { readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/**
 * What a file in `tools/generate/` exports as `generator`. Same sources, same bytes: no clock, no machine,
 * keys in a stated order.
 */
export interface Generator {
  /** Path relative to the repository root → the whole content. */
  generate(root: string): Promise<ReadonlyMap<string, string>> | ReadonlyMap<string, string>;
}

function isGenerator(value: unknown): value is Generator {
  return (
    typeof value === "object" && value !== null && "generate" in value && typeof value.generate === "function"
  );
}

/** All generated files of the repository, made anew in memory. */
export async function generateAll(root: string): Promise<Map<string, string>> {
  const folder = join(root, "tools/generate");
  const contents = new Map<string, string>();
  for (const file of readdirSync(folder).sort()) {
    if (!file.endsWith(".ts") || file.endsWith(".test.ts")) continue;
    const module: unknown = await import(pathToFileURL(join(folder, file)).href);
    const generator = (module as { readonly generator?: unknown }).generator;
    if (!isGenerator(generator)) throw new Error(`tools/generate/${file} exports no "generator"`);
    for (const [path, content] of await generator.generate(root)) {
      if (contents.has(path))
        throw new Error(`tools/generate/${file} writes ${path}, as another generator does`);
      contents.set(path, content);
    }
  }
  return contents;
}
