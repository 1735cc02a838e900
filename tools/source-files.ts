import { readdirSync, readFileSync } from "node:fs";
import { extname, join, sep } from "node:path";
import { parseSync } from "oxc-parser";

/** Never part of the repository: dependencies, state, caches. */
const skipped = new Set(["node_modules", "coverage", "__pycache__"]);

/** What a check found. A check over nothing is a failure: it would stay green whatever happened. */
export interface CheckReport {
  /** How many things were looked at. */
  readonly examined: number;
  /** One sentence each, starting with the path. */
  readonly problems: readonly string[];
}

/** Every file below `folder` (posix paths, relative to `root`), without dependencies, state and caches. */
export function repositoryFiles(root: string, folder = "."): string[] {
  const found: string[] = [];
  const entries = readdirSync(join(root, folder), { withFileTypes: true, recursive: false });
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      const hidden = entry.name.startsWith(".") && entry.name !== ".ci";
      if (!hidden && !skipped.has(entry.name)) found.push(...repositoryFiles(root, path));
    } else if (entry.isFile() && extname(entry.name) !== ".log") {
      found.push(path.split(sep).join("/"));
    }
  }
  return found.sort();
}

export function isTestFile(path: string): boolean {
  return /\.test\.ts$|(^|\/)test\/|(^|\/)testing\/|^packages\/testkit\/|^bench\//.test(path);
}

export interface ImportedName {
  /** `*` for a namespace or a re-export of everything, `default` for the default export. */
  readonly name: string;
  readonly typeOnly: boolean;
}

export interface ModuleImport {
  readonly specifier: string;
  readonly names: readonly ImportedName[];
  readonly line: number;
}

/** An ESTree node as far as these checks need to know. */
export interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

export interface SourceFile {
  /** Relative to the repository root, posix. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly ModuleImport[];
  readonly program: SyntaxNode;
}

export function isNode(value: unknown): value is SyntaxNode {
  return typeof value === "object" && value !== null && typeof (value as SyntaxNode).type === "string";
}

/** Visits `node` and everything below it, parents first. */
export function visit(node: SyntaxNode, enter: (node: SyntaxNode) => void): void {
  enter(node);
  for (const value of Object.values(node)) {
    const children: unknown[] = Array.isArray(value) ? value : [value];
    for (const child of children) if (isNode(child)) visit(child, enter);
  }
}

export function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}

interface Entry {
  readonly importName: { readonly kind: string; readonly name: string | null };
  readonly isType: boolean;
}

function namesOf(entries: readonly Entry[]): ImportedName[] {
  return entries.map(({ importName, isType }) => ({
    name: importName.kind === "Default" ? "default" : (importName.name ?? "*"),
    typeOnly: isType,
  }));
}

/** Imports, re-exports and dynamic imports of one module. A computed `import(expression)` shows as its source text. */
export function parseSource(path: string, text: string): SourceFile {
  const parsed = parseSync(path, text);
  const [error] = parsed.errors;
  if (error !== undefined) throw new SyntaxError(`${path}: ${error.message}`);
  const imports: ModuleImport[] = [];
  const add = (specifier: string, offset: number, names: ImportedName[]) =>
    imports.push({ specifier, names, line: lineOf(text, offset) });
  for (const { moduleRequest, start, entries } of parsed.module.staticImports) {
    add(moduleRequest.value, start, namesOf(entries));
  }
  for (const statement of parsed.module.staticExports) {
    const source = statement.entries.find((entry) => entry.moduleRequest !== null)?.moduleRequest?.value;
    if (source !== undefined) add(source, statement.start, namesOf(statement.entries));
  }
  for (const { moduleRequest, start } of parsed.module.dynamicImports) {
    const argument = text.slice(moduleRequest.start, moduleRequest.end);
    const literal = /^(["'`])([^"'`$]*)\1$/.exec(argument)?.[2];
    add(literal ?? argument, start, [{ name: "*", typeOnly: false }]);
  }
  const program = parsed.program as unknown as SyntaxNode;
  visit(program, (node) => {
    if (node.type !== "TSImportType") return;
    const source = node["source"] ?? node["argument"];
    const value = isNode(source)
      ? (source["value"] ?? (isNode(source["literal"]) ? source["literal"]["value"] : undefined))
      : undefined;
    if (typeof value === "string") add(value, node.start, [{ name: "*", typeOnly: true }]);
  });
  return { path, text, imports, program };
}

/** Every TypeScript module under the given folders, parsed. */
export function readSources(root: string, folders: readonly string[]): SourceFile[] {
  return folders
    .flatMap((folder) => repositoryFilesIfAny(root, folder))
    .filter((path) => path.endsWith(".ts") && !path.endsWith(".d.ts"))
    .map((path) => parseSource(path, readFileSync(join(root, path), "utf8")));
}

function repositoryFilesIfAny(root: string, folder: string): string[] {
  try {
    return repositoryFiles(root, folder);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}
