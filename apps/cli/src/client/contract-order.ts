import { readContract } from "@portolan/data/policy";
import { digestBytes, isPortolanError } from "@portolan/kernel";
import type { Project, TextFile } from "../project-files.ts";

/** The contracts of a folder, each after those that its relationships name; without relationships, in the order of the files. */
export function inOrderOfReference({ contracts, tables }: Pick<Project, "contracts" | "tables">): TextFile[] {
  const digests = Object.entries(tables).map(([name, text]) => [
    name,
    digestBytes(new TextEncoder().encode(text)),
  ]);
  const left = contracts.map((file) => ({ file, ...named(file, Object.fromEntries(digests)) }));
  const ordered: TextFile[] = [];
  while (left.length > 0) {
    const waiting = new Set(left.map(({ id }) => id));
    // Contracts that refer to each other have no order: the server says which is missing.
    const at = Math.max(
      left.findIndex(({ targets }) => !targets.some((target) => waiting.has(target))),
      0,
    );
    ordered.push(...left.splice(at, 1).map(({ file }) => file));
  }
  return ordered;
}

/** What cannot be read refers to nothing here: the server says what is wrong with it. */
function named(file: TextFile, digests: Parameters<typeof readContract>[2]) {
  try {
    const { id, relationships = [] } = readContract(file.text, file.path, digests);
    return { id, targets: relationships.map(({ target }) => target.contract) };
  } catch (error) {
    if (!isPortolanError(error)) throw error;
    return { id: undefined, targets: [] };
  }
}
