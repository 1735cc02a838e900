import { parseDigest } from "@portolan/kernel";
import type { SignedFile } from "./model-signing.ts";
import { modelFileName } from "./model-version.ts";
import { promptFileName } from "./prompt.ts";
import { upstreamFileName } from "./upstream.ts";

/** What a version's signed folder is told by. */
export interface VersionContent {
  /** `sha256:…` of the model, or of the description of where another server runs it. */
  readonly artifact: string;
  readonly isUpstream: boolean;
  /** `sha256:…` of its prompt. */
  readonly prompt?: string | undefined;
}

/** The files that a version's signature and attestations are over. Pure. */
export function versionFiles({ artifact, isUpstream, prompt }: VersionContent): SignedFile[] {
  return [
    { name: isUpstream ? upstreamFileName : modelFileName, sha256: hexOf(artifact) },
    ...(prompt === undefined ? [] : [{ name: promptFileName, sha256: hexOf(prompt) }]),
  ];
}

/** Empty for what is no digest: no signature is over that. */
function hexOf(digest: string): string {
  return parseDigest(digest)?.slice("sha256:".length) ?? "";
}
