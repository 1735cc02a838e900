import { existsSync, readdirSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join, posix } from "node:path";
import {
  type CheckReport,
  isTestFile,
  type ModuleImport,
  readSources,
  type SourceFile,
} from "./source-files.ts";

/**
 * Layers: leaf ← domain ← adapter ← app, never upwards. npm hoists, so that an import nobody declared works
 * by accident: declarations are compared too. dependency-cruiser is no alternative, see docs/adr/0004.
 */
const layers = ["leaf", "domain", "adapter", "app", "test"] as const;
type Layer = (typeof layers)[number];

interface Manifest {
  readonly name: string;
  readonly folder: string;
  readonly layer: Layer;
  readonly exports: readonly string[];
  readonly runtime: ReadonlySet<string>;
  readonly development: ReadonlySet<string>;
}

interface ManifestFile {
  readonly name: string;
  readonly portolan?: { readonly layer?: string };
  readonly exports?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

function readManifest(root: string, folder: string, problems: string[]): Manifest {
  const file = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8")) as ManifestFile;
  const layer = layers.find((known) => known === file.portolan?.layer);
  if (layer === undefined) problems.push(`${folder}/package.json declares no "portolan": { "layer": … }`);
  return {
    name: file.name,
    folder,
    layer: layer ?? "leaf",
    exports: Object.keys(file.exports ?? {}),
    runtime: new Set(Object.keys({ ...file.dependencies, ...file.optionalDependencies })),
    development: new Set(Object.keys(file.devDependencies ?? {})),
  };
}

function readManifests(root: string, problems: string[]): Map<string, Manifest> {
  const manifests = new Map<string, Manifest>();
  for (const parent of ["packages", "apps"]) {
    if (!existsSync(join(root, parent))) continue;
    for (const child of readdirSync(join(root, parent))) {
      const folder = `${parent}/${child}`;
      if (existsSync(join(root, folder, "package.json"))) {
        const manifest = readManifest(root, folder, problems);
        manifests.set(manifest.name, manifest);
      }
    }
  }
  return manifests;
}

interface Visit {
  readonly file: SourceFile;
  readonly from: Manifest;
  readonly imported: ModuleImport;
  readonly isTest: boolean;
}

function typeOnly(imported: ModuleImport): boolean {
  return imported.names.length > 0 && imported.names.every((name) => name.typeOnly);
}

/** Why `from` may not import `to` there, if it may not. */
function layerProblem({ from, imported, isTest }: Visit, to: Manifest, subpath: string): string | undefined {
  if (to.layer === "test") return isTest ? undefined : `imports ${to.name}, which is for tests only`;
  if (to.layer === "app")
    return isTest ? undefined : `imports the app ${to.name}; apps are imported by nobody`;
  if (isTest || from.layer === "test" || from.layer === "app") return undefined;
  if (layers.indexOf(to.layer) > layers.indexOf(from.layer)) {
    return `is a ${from.layer} and imports the ${to.layer} ${to.name}: dependencies never point upwards`;
  }
  if (from.layer === "adapter" && to.layer === "adapter") {
    return `is an adapter and imports the adapter ${to.name}: apps wire adapters together`;
  }
  if (
    from.layer === "domain" &&
    to.layer === "domain" &&
    subpath !== "./contract" &&
    subpath !== "./policy"
  ) {
    return `imports ${imported.specifier}: a domain sees another one only through /contract or /policy`;
  }
  return undefined;
}

function packageNameOf(specifier: string): string {
  const parts = specifier.split("/");
  return specifier.startsWith("@") ? parts.slice(0, 2).join("/") : (parts[0] ?? specifier);
}

function internalProblems(visit: Visit, to: Manifest): string[] {
  const { imported, from, isTest } = visit;
  const subpath = `.${imported.specifier.slice(to.name.length)}`;
  const problems: string[] = [];
  if (!to.exports.includes(subpath))
    problems.push(`imports ${imported.specifier}, which ${to.name} does not export`);
  // A test may come in by the front door, as others do; inside, the relative path keeps cycles visible.
  if (to.name === from.name) return isTest ? problems : [...problems, "imports its own package by name"];
  const layer = layerProblem(visit, to, subpath);
  return layer === undefined ? problems : [...problems, layer];
}

function importProblems(
  visit: Visit,
  manifests: ReadonlyMap<string, Manifest>,
  root: ReadonlySet<string>,
): string[] {
  const { file, from, imported, isTest } = visit;
  const { specifier } = imported;
  if (specifier.startsWith("node:")) return [];
  if (builtinModules.includes(specifier)) return [`imports "${specifier}" without the node: prefix`];
  if (specifier.startsWith(".")) {
    const target = posix.join(dirname(file.path), specifier);
    return isTest || target.startsWith(`${from.folder}/`)
      ? []
      : [`reaches out of its package with ${specifier}`];
  }
  const name = packageNameOf(specifier);
  const to = manifests.get(name);
  const problems = to === undefined ? [] : internalProblems(visit, to);
  const declared = from.runtime.has(name) || (isTest && (from.development.has(name) || root.has(name)));
  if (!declared && name !== from.name && /^[@\w]/.test(name))
    problems.push(`imports ${name}, which ${from.folder}/package.json does not declare`);
  return problems;
}

const isStore = (path: string): boolean => /\/(store|[\w-]+-store)\.ts$|\/store\/[\w-]+\.ts$/.test(path);
const isRoute = (path: string): boolean => /\/src\/(routes|http)\/[\w./-]+\.ts$/.test(path);
const isIndex = (path: string): boolean => path.endsWith("/src/index.ts");

/** Inside a domain: SQL in the store, HTTP in the routes, nowhere else. */
function domainProblems({ file, from, imported, isTest }: Visit): string[] {
  if (from.layer !== "domain" || isTest) return [];
  const name = packageNameOf(imported.specifier);
  if (name === "kysely" && !isStore(file.path)) return ["imports kysely: only store.ts knows SQL"];
  // The index states `registerRoutes(app: FastifyInstance, …)`: the type, not the framework.
  const namesTheApp = isIndex(file.path) && typeOnly(imported);
  if (name === "fastify" && !isRoute(file.path) && !namesTheApp) {
    return ["imports fastify: only routes/ knows HTTP"];
  }
  return [];
}

/** What `contract.ts` or `policy.ts` reaches inside its own package, itself included. */
function closureOf(entry: string, files: ReadonlyMap<string, SourceFile>): SourceFile[] {
  const reached = new Map<string, SourceFile>();
  const waiting = [entry];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const file = files.get(path);
    if (file === undefined || reached.has(path)) continue;
    reached.set(path, file);
    for (const imported of file.imports) {
      if (imported.specifier.startsWith(".") && !typeOnly(imported)) {
        waiting.push(posix.join(dirname(path), imported.specifier));
      }
    }
  }
  return [...reached.values()];
}

/** Deterministic, and without a view of the machine: hashes, bytes, compression. */
const pureBuiltins = new Set(["node:crypto", "node:buffer", "node:zlib"]);

/** A policy is pure: the same evidence gives the same verdict, in any process, also in a browser. */
function policyProblems(
  from: Manifest,
  files: ReadonlyMap<string, SourceFile>,
  manifests: ReadonlyMap<string, Manifest>,
): string[] {
  if (from.layer !== "domain") return [];
  return closureOf(`${from.folder}/src/policy.ts`, files).flatMap((file) =>
    file.imports.flatMap((imported) => {
      const { specifier, line } = imported;
      const to = manifests.get(packageNameOf(specifier));
      const at = `${file.path}:${line} belongs to the policy and`;
      if (pureBuiltins.has(specifier)) return [];
      if (specifier.startsWith("node:")) return [`${at} imports ${specifier}: a policy is pure`];
      if (["kysely", "fastify", "pino"].includes(packageNameOf(specifier)))
        return [`${at} imports ${specifier}: a policy is pure`];
      if (to === undefined || to.layer === "leaf" || typeOnly(imported)) return [];
      // Another domain's policy is held to the same rule, so that purity survives the step.
      if (/\/(policy|contract)$/.test(specifier)) return [];
      return [`${at} imports ${specifier}: a policy imports leaves and other policies only`];
    }),
  );
}

/** Compares every import under packages/ and apps/ with the layers and with what the manifests declare. */
export function checkBoundaries(root: string): CheckReport {
  const problems: string[] = [];
  const manifests = readManifests(root, problems);
  const rootFile = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as ManifestFile;
  const rootDevelopment = new Set(Object.keys(rootFile.devDependencies ?? {}));
  const sources = readSources(root, ["packages", "apps"]);
  const files = new Map(sources.map((file) => [file.path, file]));
  for (const file of sources) {
    const from = [...manifests.values()].find((manifest) => file.path.startsWith(`${manifest.folder}/`));
    if (from === undefined) {
      problems.push(`${file.path} belongs to no package`);
      continue;
    }
    const isTest = isTestFile(file.path);
    for (const imported of file.imports) {
      const visit = { file, from, imported, isTest };
      const found = [...importProblems(visit, manifests, rootDevelopment), ...domainProblems(visit)];
      problems.push(...found.map((problem) => `${file.path}:${imported.line} ${problem}`));
    }
  }
  for (const manifest of manifests.values()) problems.push(...policyProblems(manifest, files, manifests));
  return { examined: sources.length, problems };
}
