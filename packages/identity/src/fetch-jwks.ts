import { Type } from "typebox";
import { Value } from "typebox/value";
import type { FetchJwks } from "./tokens/issuer-keys.ts";
import { maxPublishedKeys } from "./tokens/verification-keys.ts";

const KeySet = Type.Object({
  keys: Type.Array(Type.Record(Type.String(), Type.Unknown()), { maxItems: maxPublishedKeys }),
});
const maxBytes = 256 * 1024;
const timeoutMs = 5_000;

/** Fetches a published key set: no redirects, five seconds, 256 KiB, and the right shape, or it rejects. */
export const fetchJwks: FetchJwks = async (uri) => {
  const response = await fetch(uri, {
    redirect: "error",
    signal: AbortSignal.timeout(timeoutMs),
    headers: { accept: "application/json" },
  });
  if (!response.ok || !response.body) throw new Error(`key set: HTTP ${String(response.status)}`);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body) {
    length += chunk.length;
    if (length > maxBytes) throw new Error("key set: too large");
    chunks.push(chunk);
  }
  const document: unknown = JSON.parse(Buffer.concat(chunks).toString("utf8"));
  if (!Value.Check(KeySet, document)) throw new Error("key set: not a JSON Web Key Set");
  return document;
};
