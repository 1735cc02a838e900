import { cp, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));
/** Packages whose sources a fault may be put into; what they depend on is used as it is. */
const packages = ["features", "lmdb"] as const;

/** A fault: in one file (below `packages/`), one text in place of another one that must be there. */
export interface Fault {
  readonly file: string;
  readonly edits: readonly (readonly [before: string, after: string])[];
}

/** Packages of their own, with a fault in them. */
export interface FaultyCopy extends AsyncDisposable {
  /** Loads a module of them, with all that it imports. @param file below `packages/` */
  load(file: string): unknown;
}

/** Copies the packages, and puts the fault in; so that no fault is one in name only, its text must be there. */
export async function faultyCopy({ file, edits }: Fault): Promise<FaultyCopy> {
  const folder = await mkdtemp(join(tmpdir(), "portolan-fault-"));
  for (const name of packages) {
    const from = join(root, "packages", name);
    const to = join(folder, "packages", name);
    await cp(join(from, "src"), join(to, "src"), { recursive: true });
    await cp(join(from, "package.json"), join(to, "package.json"));
    const { dependencies } = JSON.parse(await readFile(join(from, "package.json"), "utf8")) as {
      readonly dependencies: Readonly<Record<string, string>>;
    };
    for (const one of Object.keys(dependencies)) await link(folder, one);
  }
  const path = join(folder, "packages", file);
  const text = await readFile(path, "utf8");
  await writeFile(path, edits.reduce(edited, text));
  return {
    load: (name) => createRequire(import.meta.url)(join(folder, "packages", name)) as unknown,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}

async function link(folder: string, dependency: string): Promise<void> {
  const copied = packages.find((name) => dependency === `@portolan/${name}`);
  const target = copied
    ? join(folder, "packages", copied)
    : await realpath(join(root, "node_modules", dependency));
  const path = join(folder, "node_modules", dependency);
  await mkdir(dirname(path), { recursive: true });
  // Both packages may depend on it.
  await symlink(target, path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
}

/** Replaces text that must be there. */
export function edited(text: string, [before, after]: readonly [string, string]): string {
  if (!text.includes(before)) throw new Error(`there is no ${before} to replace`);
  return text.replaceAll(before, after);
}
