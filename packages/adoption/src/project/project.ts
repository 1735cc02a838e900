import type { Adoption } from "../adopt.ts";
import { requirementsFile } from "../requirements.ts";
import { trainerFiles } from "./trainer.ts";

/** Of the new project: paths below its folder, with what they hold. */
export type ProjectFiles = ReadonlyMap<string, string>;

export interface ProjectParts {
  /** Of use case, contract and training set: lower case, digits, hyphens. */
  readonly name: string;
  /** A charter to fill, from a template. */
  readonly charter: string;
  /** By Python's minor version: what locks the trainer's libraries. */
  readonly locks: Readonly<Record<string, string>>;
  /** A drafted contract. */
  readonly contract?: string;
  readonly report: string;
}

/** The files of a project that goes on from a proof of concept. None of them holds anything of its text. */
export function projectFiles(adoption: Adoption, parts: ProjectParts): ProjectFiles {
  const { name, contract } = parts;
  const trainer = trainerFiles(adoption.estimator);
  return new Map([
    ["adoption.md", parts.report],
    ["charter.yaml", charterFor(parts)],
    ...(contract === undefined ? [] : ([[`contracts/${name}.odcs.yaml`, contract]] as const)),
    ["training/train.py", trainer.program],
    ["training/params.json", trainer.params],
    ["training/requirements.in", requirementsFile(adoption.requirements)],
    ...Object.entries(parts.locks).map(
      ([minor, lock]) => [`training/requirements-${minor}.lock`, lock] as const,
    ),
    ["training/training-set.json", trainingSet(name)],
  ]);
}

/** The template's text under the project's name. Every other value stays the template's, and is for its owners to fill. */
function charterFor({ charter, name, contract }: ProjectParts): string {
  const named = charter.replace(/^ {2}name: .*$/m, `  name: ${name}`);
  const text =
    contract === undefined
      ? named
      : named.replace(/^ {2}contracts: \[.*\]$/m, `  contracts: [contracts/${name}.odcs.yaml]`);
  return `# From a template, by \`portolan adopt\`: every value below is the template's. Fill in your own, then: portolan charter check\n${text}`;
}

/** `portolan model train` takes it once views, times and label are filled in. */
function trainingSet(name: string): string {
  const recipe = {
    name,
    environment: "dev",
    contract: name,
    from: "2026-01-01T00:00:00Z",
    to: "2026-06-01T00:00:00Z",
    views: [],
    request: [{ name: "FILL-IN-feature", expression: "FILL_IN_column" }],
    label: { name: "label", expression: "FILL_IN_label" },
  };
  return `${JSON.stringify(recipe, null, 2)}\n`;
}

/** A name for the project, of a file's. */
export function projectName(file: string): string {
  const name = file
    .replace(/\.[A-Za-z0-9]+$/, "")
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replace(/^[^a-z]+/, "")
    .slice(0, 40)
    .replace(/-+$/, "");
  return name === "" ? "adopted" : name;
}
