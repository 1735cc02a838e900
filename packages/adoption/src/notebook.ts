import { PortolanError } from "@portolan/kernel";
import type { AdoptionErrorCode } from "./errors.ts";
import { type PythonCell, withoutMagics } from "./magics.ts";

/** A program as it is examined: one unit, or one for each cell of code, in order. */
export interface ProgramSource {
  readonly kind: "notebook" | "script";
  readonly units: readonly PythonCell[];
  /** All texts of the file, also those that are no program: what lies there open lies open. */
  readonly texts: readonly { readonly name: string; readonly text: string }[];
  /** Cells that were run in another order than they stand in: places. */
  readonly outOfOrder: readonly string[];
  /** Bytes of kept outputs. */
  readonly outputBytes: number;
}

/** Largest notebook or script that is read. */
export const largestSourceBytes = 32 * 2 ** 20;
const mostCells = 5000;

/** A script is one unit. */
export function readScript(name: string, text: string): ProgramSource {
  return {
    kind: "script",
    units: [{ name, text, installs: [], commands: [] }],
    texts: [{ name, text }],
    outOfOrder: [],
    outputBytes: 0,
  };
}

/**
 * The cells of a notebook (nbformat 3 and 4). Nothing of it is run, and nothing but its cells is looked at.
 *
 * @param path for messages
 * @throws PortolanError `adoption.file_unusable`
 */
export function readNotebook(path: string, text: string): ProgramSource {
  const notebook = member(parse(path, text));
  const language = languageOf(notebook);
  if (language !== undefined && !/python/i.test(language))
    throw unusable(path, `it is a notebook in ${language.slice(0, 40)}`, "Only Python is examined.");
  const cells = cellsOf(notebook);
  if (!cells) throw unusable(path, "it has no cells", "Save it as an .ipynb file of nbformat 3 or 4.");
  if (cells.length > mostCells)
    throw unusable(path, `it has more than ${mostCells} cells`, "Split it, or export it as a script.");
  const read = cells.map((cell, index) => readCell(member(cell), index));
  const code = read.filter(({ isCode }) => isCode);
  return {
    kind: "notebook",
    units: code.map(({ name, source }) => withoutMagics(name, source)),
    texts: read.flatMap(({ name, source, output }) => [
      { name, text: source },
      ...(output === "" ? [] : [{ name: `output of ${name}`, text: output }]),
    ]),
    outOfOrder: code.flatMap(({ name, count }, index) => {
      const before = Math.max(0, ...code.slice(0, index).map((one) => one.count ?? 0));
      return count !== undefined && count < before ? [name] : [];
    }),
    outputBytes: read.reduce((sum, { output }) => sum + Buffer.byteLength(output), 0),
  };
}

function parse(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const why = cause instanceof Error ? (cause.message.split("\n")[0] ?? "") : "";
    throw unusable(path, `it is not JSON (${why.slice(0, 160)})`, "Open and save it with Jupyter.");
  }
}

type Members = Readonly<Record<string, unknown>>;

function member(value: unknown): Members {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
}

function languageOf(notebook: Members): string | undefined {
  const metadata = member(notebook["metadata"]);
  const said = member(metadata["language_info"])["name"] ?? member(metadata["kernelspec"])["language"];
  return typeof said === "string" ? said : undefined;
}

/** Version 3 keeps cells in worksheets. */
function cellsOf(notebook: Members): readonly unknown[] | undefined {
  if (Array.isArray(notebook["cells"])) return notebook["cells"];
  const sheets = notebook["worksheets"];
  if (!Array.isArray(sheets)) return undefined;
  return sheets.flatMap((sheet): unknown[] => {
    const cells = member(sheet)["cells"];
    return Array.isArray(cells) ? cells : [];
  });
}

interface Cell {
  readonly name: string;
  readonly isCode: boolean;
  readonly source: string;
  readonly output: string;
  /** When it was run, as Jupyter counts. */
  readonly count?: number;
}

function readCell(cell: Members, index: number): Cell {
  const count = cell["execution_count"] ?? cell["prompt_number"];
  return {
    name: `cell ${index + 1}`,
    isCode: cell["cell_type"] === "code",
    source: textOf(cell["source"] ?? cell["input"]),
    output: Array.isArray(cell["outputs"]) ? cell["outputs"].map(outputText).join("\n") : "",
    ...(typeof count === "number" ? { count } : {}),
  };
}

/** A text, or its lines. */
function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  return Array.isArray(value) ? value.filter((line) => typeof line === "string").join("") : "";
}

function outputText(output: unknown): string {
  const { text, data } = member(output);
  return [text, ...Object.values(member(data))].map(textOf).join("");
}

function unusable(path: string, why: string, mend: string): PortolanError<AdoptionErrorCode> {
  return new PortolanError("adoption.file_unusable", {
    detail: `${path} cannot be taken in: ${why}`,
    mend,
    at: { file: path },
  });
}
