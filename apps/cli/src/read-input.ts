import { readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { PortolanError } from "@portolan/kernel";
import type { CliContext } from "./context.ts";
import type { CliErrorCode } from "./errors.ts";

/** A million lines of a trace take less than half of it. */
const mostBytes = 256 * 2 ** 20;

/**
 * A file that is named on the command line, seen from where the user is.
 *
 * @throws PortolanError `cli.bad_file` where it is larger than any trace
 */
export async function readInput(context: CliContext, file: string): Promise<string> {
  const path = resolve(context.cwd, file);
  const { size } = await stat(path);
  if (size > mostBytes)
    throw new PortolanError<CliErrorCode>("cli.bad_file", {
      detail: `${path} has ${size} bytes; ${mostBytes} are read`,
      mend: "Name a file of at most a million lines.",
    });
  return readFile(path, "utf8");
}

export function badUsage(detail: string, mend: string): PortolanError<CliErrorCode> {
  return new PortolanError<CliErrorCode>("cli.bad_usage", { detail, mend });
}
