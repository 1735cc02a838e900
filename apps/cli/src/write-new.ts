import { writeFile } from "node:fs/promises";
import { PortolanError } from "@portolan/kernel";
import type { CliErrorCode } from "./errors.ts";

/**
 * Writes a file that is not there yet, or with `force` over the one that is; resolves to its path.
 * @throws PortolanError `cli.bad_file`
 */
export async function writeNew(path: string, content: string | Uint8Array, force: boolean): Promise<string> {
  try {
    await writeFile(path, content, { flag: force ? "w" : "wx" });
  } catch (cause) {
    throw existingFile(path, cause);
  }
  return path;
}

/** What a file that is in the way, or a folder that takes none, means. */
export function existingFile(path: string, cause: unknown): PortolanError<CliErrorCode> {
  return new PortolanError("cli.bad_file", {
    detail: `${path} cannot be written: it exists already, or the folder is read-only`,
    mend: "Choose another folder, or overwrite with --force.",
    cause,
  });
}
