import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type Digest, digestFromHex, PortolanError } from "@portolan/kernel";
import type { DataErrorCode } from "../errors.ts";

/** SHA-256 of a file's bytes, streamed. */
export async function digestFile(path: string): Promise<Digest> {
  const hash = createHash("sha256");
  try {
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  } catch (cause) {
    throw new PortolanError<DataErrorCode>("data.source_unreadable", {
      detail: `${path.split("/").at(-1) ?? path} cannot be read`,
      mend: "Check that the file exists and that the server may read it.",
      cause,
    });
  }
  return digestFromHex(hash.digest("hex")) as Digest;
}
