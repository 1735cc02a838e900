import {
  isPortolanError,
  type JsonValue,
  messageOf,
  type PortolanError,
  type Violation,
} from "@portolan/kernel";
import { describeFileFault } from "./file-fault.ts";

export interface OutputStreams {
  readonly out: { write(text: string): unknown };
  readonly err: { write(text: string): unknown; readonly isTTY?: boolean };
}

/**
 * Where every command prints: people read sentences, scripts read one JSON document (`--json`). Text may be of data that strangers wrote:
 * but for `raw`, nothing that is printed can move the cursor, colour, or answer for the terminal.
 */
export class Output {
  readonly #streams: OutputStreams;
  readonly #json: boolean;

  constructor(streams: OutputStreams, json: boolean) {
    this.#streams = streams;
    this.#json = json;
  }

  get isJson(): boolean {
    return this.#json;
  }

  get isTerminal(): boolean {
    return this.#streams.err.isTTY === true;
  }

  /** A sentence for people; silent under `--json`. */
  say(text = ""): void {
    if (!this.#json) this.#streams.out.write(`${printable(text)}\n`);
  }

  /** Progress and notes: to standard error, so that pipes stay clean. */
  note(text: string): void {
    if (!this.#json) this.#streams.err.write(`${printable(text)}\n`);
  }

  /** What somebody has to do before the command goes on: to standard error, also beside a script's document. */
  request(text: string): void {
    this.#streams.err.write(`${printable(text)}\n`);
  }

  /** The command's result: `human` for people, `value` as JSON for scripts. */
  result(value: unknown, human: string): void {
    this.#streams.out.write(`${printable(this.#json ? JSON.stringify(value, null, 2) : human)}\n`);
  }

  /** The result as it is, e.g. a file's content. */
  raw(text: string): void {
    this.#streams.out.write(text);
  }

  /** One clear message: what, where, how to mend. */
  error(error: unknown): void {
    if (this.#json) {
      this.#streams.out.write(`${printable(JSON.stringify(errorDocument(error), null, 2))}\n`);
      return;
    }
    this.#streams.err.write(`${printable(errorText(error))}\n`);
  }
}

export function errorText(fault: unknown): string {
  const error = describeFileFault(fault) ?? fault;
  if (!isPortolanError(error)) return `portolan: ${messageOf(error)}`;
  const lines = [`portolan: ${error.detail ?? error.code}`];
  for (const violation of error.violations) lines.push(`  - ${violationText(violation)}`);
  if (error.mend !== undefined) lines.push(`  ${error.mend}`);
  lines.push(`  (${error.code})`);
  return lines.join("\n");
}

function violationText(violation: Violation): string {
  const place = violation.at ? `${placeText(violation.at)}: ` : "";
  return `${place}${violation.mend === undefined ? violation.detail : `${sentence(violation.detail)} ${violation.mend}`}`;
}

/** With its full stop: a mend follows. */
function sentence(text: string): string {
  return /[.!?:]$/.test(text) ? text : `${text}.`;
}

function placeText(at: NonNullable<Violation["at"]>): string {
  if (at.file === undefined && at.line === undefined) return at.pointer ?? "";
  return [at.file, at.line, at.column].filter((part) => part !== undefined).join(":");
}

function errorDocument(fault: unknown): JsonValue {
  const error = describeFileFault(fault) ?? fault;
  if (!isPortolanError(error)) return { error: { code: "kernel.internal", detail: messageOf(error) } };
  return { error: problemMembers(error) };
}

function problemMembers(error: PortolanError): JsonValue {
  return JSON.parse(
    JSON.stringify({
      code: error.code,
      detail: error.detail,
      mend: error.mend,
      at: error.at,
      violations: error.violations,
    }),
  );
}

/** Control characters (C0, DEL, C1), but for line feed and tab. */
// oxlint-disable-next-line no-control-regex -- these are what is looked for
const controls = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;
/** Those, and what begins another line or cell. */
// oxlint-disable-next-line no-control-regex -- these are what is looked for
const breaks = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

/** Text of several lines with `\u001b` for escape and so on: as JSON writes them, so that a document's value stays the same. */
function printable(text: string): string {
  return text.replace(controls, codeUnit);
}

/** Text of a stranger as part of one line: a line feed in it is `\u000a`. */
export function onOneLine(text: string): string {
  return text.replace(breaks, codeUnit);
}

function codeUnit(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** Columns aligned by their longest cell, each row on one line; numbers are the caller's to format. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows].map((row) => row.map(onOneLine));
  const widths = header.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
