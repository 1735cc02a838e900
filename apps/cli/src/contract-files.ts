import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { DataContract } from "@portolan/data/contract";
import { readContract, type TargetContracts } from "@portolan/data/policy";
import { digestBytes, isPortolanError, PortolanError } from "@portolan/kernel";
import type { CliErrorCode } from "./errors.ts";
import { readText } from "./project-files.ts";

export interface ContractFile {
  readonly contract: DataContract;
  /** What it was read from. */
  readonly document: string;
  /** Files of the tables that it may refer to, by name. */
  readonly tables: Readonly<Record<string, string>>;
}

const endings = [".odcs.yaml", ".odcs.yml"];

/** The contract files that a path means: itself, those of the folder, or those of its `contracts` folder. */
export async function contractFiles(cwd: string, target: string | undefined): Promise<string[]> {
  const path = resolve(cwd, target ?? ".");
  if ((await stat(path).catch(() => undefined))?.isDirectory() !== true) return [path];
  for (const folder of [path, join(path, "contracts")]) {
    const names = await readdir(folder).catch(() => []);
    const found = names.filter((name) => endings.some((ending) => name.endsWith(ending))).toSorted();
    if (found.length > 0) return found.map((name) => join(folder, name));
  }
  throw new PortolanError<CliErrorCode>("cli.bad_file", {
    detail: `${path} holds no contract`,
    mend: "Name a file that ends in .odcs.yaml, or its folder.",
  });
}

/** Contracts that relationships of a file may name: those of its folder, and of `more` files and folders. Files that are no contract are left out. */
export async function contractsBeside(path: string, more: readonly string[] = []): Promise<ContractFile[]> {
  const beside = (await contractFiles(dirname(path), ".").catch(noContract)) ?? [];
  const named = await Promise.all(more.map((target) => contractFiles(target, ".")));
  const files = [...new Set([beside, ...named].flat())].filter((file) =>
    endings.some((ending) => file.endsWith(ending)),
  );
  const opened = await Promise.all(files.map((file) => openContract(file).catch(noContract)));
  return opened.filter((one) => one !== undefined);
}

function noContract(error: unknown): undefined {
  if (isPortolanError(error)) return undefined;
  throw error;
}

/**
 * Reads a contract with the tables beside it and in the folder above, as `portolan apply` sends them.
 *
 * @throws PortolanError `data.contract_invalid`, `cli.bad_file`
 */
export async function openContract(path: string, targets?: TargetContracts): Promise<ContractFile> {
  const { text } = await readText(path);
  const paths = await namedTables(path, text);
  const tables = await Promise.all(Object.values(paths).map(readText));
  const digests = tables.map((table) => [
    basename(table.path),
    digestBytes(new TextEncoder().encode(table.text)),
  ]);
  const contract = readContract(text, path, Object.fromEntries(digests), targets);
  const used = Object.entries(paths).filter(([name]) => Object.hasOwn(contract.references, name));
  return { contract, document: text, tables: Object.fromEntries(used) };
}

/** CSV files that the document names, in its folder or the one above; data that lies there too is none of its tables. */
async function namedTables(path: string, document: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const folder of [dirname(dirname(path)), dirname(path)])
    for (const name of await readdir(folder).catch(() => []))
      if (name.endsWith(".csv") && document.includes(name)) found[name] = join(folder, name);
  return found;
}
