import { readdir, readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { messageOf, PortolanError } from "@portolan/kernel";
import { parse } from "yaml";
import type { CliErrorCode } from "./errors.ts";
import { readViewModules } from "./view-modules.ts";

export interface TextFile {
  /** Path as the user would write it, for messages. */
  readonly path: string;
  readonly text: string;
}

/** The files of one use case, as DESIGN describes the folder. */
export interface Project {
  readonly folder: string;
  readonly charter: TextFile;
  readonly contracts: readonly TextFile[];
  readonly featureViews: readonly TextFile[];
  /** Small tables beside the charter, by file name, for contracts that refer to them. */
  readonly tables: Readonly<Record<string, string>>;
}

/** A user's folder holds a handful of small texts; more is a mistake, such as naming a home folder. */
const maxFileBytes = 1_000_000;

/** @throws PortolanError `cli.bad_file` when the folder holds no charter.yaml */
export async function readProject(cwd: string, folder: string): Promise<Project> {
  const root = resolve(cwd, folder);
  return {
    folder: root,
    charter: await readText(join(root, "charter.yaml")),
    contracts: await readAll(join(root, "contracts"), [".odcs.yaml", ".odcs.yml"]),
    featureViews: await readFeatureFiles(cwd, folder),
    tables: Object.fromEntries(
      (await readAll(root, [".csv"])).map((file) => [basename(file.path), file.text]),
    ),
  };
}

/** Feature views of a folder, in YAML or as modules that say it. */
export async function readFeatureFiles(cwd: string, folder: string): Promise<readonly TextFile[]> {
  const features = join(resolve(cwd, folder), "features");
  return [
    ...(await readAll(features, [".yaml", ".yml"])),
    ...readViewModules(await pathsOf(features, [".view.ts"])),
  ];
}

export async function readText(path: string): Promise<TextFile> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new PortolanError<CliErrorCode>("cli.bad_file", {
      detail: `${path} cannot be read (${messageOf(cause)})`,
      mend: mendOf(path, cause),
      cause,
    });
  }
  if (bytes.length > maxFileBytes) {
    throw new PortolanError<CliErrorCode>("cli.bad_file", {
      detail: `${path} is larger than a megabyte`,
      mend: "Name the file itself.",
    });
  }
  return { path, text: bytes.toString("utf8") };
}

function mendOf(path: string, cause: unknown): string {
  if (basename(path) !== "charter.yaml") return "Check the path.";
  return cause instanceof Error && "code" in cause && cause.code === "ENOTDIR"
    ? "Name the folder that holds a charter.yaml, not a file."
    : "Make one with: portolan init --template flight-delays";
}

/** Files of a folder by their endings, in order of their names; none when there is no such folder. */
export async function readAll(folder: string, endings: readonly string[]): Promise<TextFile[]> {
  return Promise.all((await pathsOf(folder, endings)).map(readText));
}

async function pathsOf(folder: string, endings: readonly string[]): Promise<string[]> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch {
    return []; // the folder is optional
  }
  const chosen = names.filter((name) => endings.some((ending) => name.endsWith(ending))).toSorted();
  return chosen.map((name) => join(folder, name));
}

/**
 * A YAML file that nobody signs: not through yaml-source, as its author may well repeat something by an alias.
 * @throws PortolanError `cli.bad_file`, with `mend`
 */
export async function readYaml(path: string, mend: string): Promise<unknown> {
  const { text } = await readText(path);
  try {
    return parse(text);
  } catch (cause) {
    const detail = `${path} is not YAML: ${messageOf(cause).split("\n")[0]}`;
    throw new PortolanError<CliErrorCode>("cli.bad_file", { detail, mend, cause });
  }
}

/** Every file of a folder, by path; none where there is no such folder. */
export async function filesBelow(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .toSorted();
  } catch {
    return [];
  }
}
