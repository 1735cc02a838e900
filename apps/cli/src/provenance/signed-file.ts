import { createHash } from "node:crypto";
import { modelFileName, promptFileName, upstreamFileName } from "@portolan/registry/contract";
import { readPrompt, readUpstream, type SignedFile } from "@portolan/registry/policy";

/** A version's file as its signature names it: by what it holds, whatever it is called here. */
export function signedFileOf(bytes: Uint8Array): SignedFile {
  const name = readUpstream(bytes) ? upstreamFileName : readPrompt(bytes) ? promptFileName : modelFileName;
  return { name, sha256: createHash("sha256").update(bytes).digest("hex") };
}
