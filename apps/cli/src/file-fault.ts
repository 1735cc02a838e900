import { PortolanError } from "@portolan/kernel";
import type { CliErrorCode } from "./errors.ts";

/** What the operating system says about files, in a sentence and with its mend; `undefined` for anything else. */
export function describeFileFault(error: unknown): PortolanError<CliErrorCode> | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  const found = sentences.find(({ codes }) => codes.includes(String(error.code)));
  // A write to an open file that fails for want of room does not name the file; of the other faults all do.
  if (!found || !("path" in error || found === diskFull)) return undefined;
  return new PortolanError<CliErrorCode>(found.code, {
    detail: `${"path" in error ? String(error.path) : "a file"} ${found.detail}`,
    mend: found.mend,
    cause: error,
  });
}

interface Sentence {
  readonly codes: readonly string[];
  readonly code: CliErrorCode;
  readonly detail: string;
  readonly mend: string;
}

const diskFull: Sentence = {
  codes: ["ENOSPC", "EDQUOT"],
  code: "cli.folder_not_writable",
  detail: "cannot be written: its disk is full",
  mend: "Make room on that disk, or choose another place.",
};

const sentences: readonly Sentence[] = [
  { codes: ["ENOENT"], code: "cli.bad_file", detail: "does not exist", mend: "Check the path." },
  {
    codes: ["EISDIR"],
    code: "cli.bad_file",
    detail: "is a folder, not a file",
    mend: "Name the file itself.",
  },
  {
    codes: ["ENOTDIR", "EEXIST"],
    code: "cli.bad_file",
    detail: "has a file where a folder should be",
    mend: "Move that file away, or choose another folder.",
  },
  {
    codes: ["EACCES", "EPERM", "EROFS"],
    code: "cli.folder_not_writable",
    detail: "may not be read or written by you",
    mend: "Change its permissions, or choose a place that is yours.",
  },
  diskFull,
];
