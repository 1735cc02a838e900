import { PortolanError } from "@portolan/kernel";
import type { TrainingErrorCode } from "./errors.ts";

const name = "[A-Za-z0-9](?:[A-Za-z0-9._-]{0,100}[A-Za-z0-9])?";
/** PEP 440 versions as locks write them, local versions (`+cpu`) included. */
const version = "[A-Za-z0-9](?:[A-Za-z0-9.!+_-]{0,60})";
/** PEP 508 markers: comparisons of names and quoted words. */
const marker = "[A-Za-z0-9_ ().<>=!~'\",+-]{1,400}";
const requirement = new RegExp(
  `^(${name}(?:\\[${name}(?:,${name})*\\])?)==(${version})(?:\\s*;\\s*(${marker}?))?((?:\\s+--hash=sha256:[0-9a-f]{64})+)$`,
);

const largestLock = 1 << 20;
const mostPackages = 2000;

/**
 * The lock as pip is given it: one pinned, hashed package a line and nothing else. A requirements file may hold
 * options too (`-r` reads any file of the server, `--index-url` asks any host), and pip quotes what it cannot read in
 * its errors; so what an uploader wrote never reaches pip as it is.
 *
 * @throws PortolanError `training.lock_invalid` with the line
 */
export function normaliseLock(lock: string): string {
  return entriesOf(lock)
    .map(({ what, version: exact, marker: condition, hashes }) => {
      const options = hashes.map((hash) => ` --hash=sha256:${hash}`).join("");
      return `${what}==${exact}${condition === undefined ? "" : ` ; ${condition}`}${options}\n`;
    })
    .join("");
}

/** One pinned package of a lock. */
export interface LockedRequirement {
  /** As the lock writes it, without extras. */
  readonly name: string;
  readonly version: string;
  /** PEP 508; absent: it is installed everywhere. */
  readonly marker?: string;
  /** Hex SHA-256 of the files that may be installed. */
  readonly hashes: readonly string[];
}

/**
 * What a lock pins, in its order.
 *
 * @throws PortolanError `training.lock_invalid` with the line
 */
export function readLock(lock: string): LockedRequirement[] {
  return entriesOf(lock).map(({ what, ...pinned }) => ({ name: what.replace(/\[.*$/, ""), ...pinned }));
}

interface LockEntry extends Omit<LockedRequirement, "name"> {
  /** Name with its extras. */
  readonly what: string;
}

function entriesOf(lock: string): LockEntry[] {
  if (lock.length > largestLock) throw invalid(1, "the lock is larger than 1 MiB");
  const entries = logicalLines(lock);
  if (entries.length > mostPackages) throw invalid(1, `the lock names more than ${mostPackages} packages`);
  return entries.map(({ text, line }) => {
    const match = requirement.exec(text);
    if (!match) throw invalid(line, "this is not `name==version --hash=sha256:…`");
    const [, what = "", exact = "", condition, options = ""] = match;
    const hashes = options
      .trim()
      .split(/\s+/)
      .map((option) => option.slice("--hash=sha256:".length));
    const trimmed = condition?.trim() ?? "";
    return { what, version: exact, hashes, ...(trimmed === "" ? {} : { marker: trimmed }) };
  });
}

/** Lines without comments, with continued ones joined, and the number of their first. */
function logicalLines(lock: string): { readonly text: string; readonly line: number }[] {
  const out: { text: string; line: number }[] = [];
  let open: { text: string; line: number } | undefined;
  lock.split(/\r?\n/).forEach((raw, index) => {
    const stripped = raw.replace(/(^|\s)#.*$/, "").trimEnd();
    const continues = stripped.endsWith("\\");
    const text = (continues ? stripped.slice(0, -1) : stripped).trim();
    if (open) open.text = `${open.text} ${text}`.trim();
    else open = { text, line: index + 1 };
    if (continues) return;
    if (open.text !== "") out.push(open);
    open = undefined;
  });
  if (open && (open as { text: string }).text !== "") out.push(open);
  return out;
}

function invalid(line: number, detail: string): PortolanError<TrainingErrorCode> {
  return new PortolanError<TrainingErrorCode>("training.lock_invalid", {
    detail: `line ${line} of the lock: ${detail}`,
    mend: "Write pinned packages with their hashes alone, e.g. by `pip-compile --generate-hashes --no-emit-index-url`.",
    at: { line },
  });
}
