import { createHash } from "node:crypto";
import { modelFileName, upstreamFileName } from "@portolan/registry/contract";
import { readUpstream, type SignedFile } from "@portolan/registry/policy";

/** A version's one file as its signature names it: by what it holds, whatever it is called here. */
export function signedFileOf(bytes: Uint8Array): SignedFile {
  const name = readUpstream(bytes) ? upstreamFileName : modelFileName;
  return { name, sha256: createHash("sha256").update(bytes).digest("hex") };
}
