import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** A small repository on disk for the tests of the checks; gone when disposed. */
export interface PlantedRepository extends Disposable {
  readonly root: string;
}

interface PlantedPackage {
  readonly layer: "leaf" | "domain" | "adapter" | "app" | "test";
  readonly dependencies?: readonly string[];
}

/** A package manifest as the workspace's own ones are written. */
export function manifest(name: string, { layer, dependencies = [] }: PlantedPackage): string {
  return JSON.stringify({
    name: `@portolan/${name}`,
    portolan: { layer },
    exports: { ".": "./src/index.ts", "./contract": "./src/contract.ts", "./policy": "./src/policy.ts" },
    dependencies: Object.fromEntries(dependencies.map((dependency) => [dependency, "1.0.0"])),
  });
}

/** Writes the files (path → content) into a new folder, with an empty root manifest unless one is given. */
export function plant(files: Readonly<Record<string, string>>): PlantedRepository {
  const root = mkdtempSync(join(tmpdir(), "portolan-planted-"));
  for (const [path, content] of Object.entries({ "package.json": "{}", ...files })) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return { root, [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }) };
}
