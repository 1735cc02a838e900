import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { type AddressRules, guardedLookup, hostOf, judgeUrl } from "@portolan/kernel";
import { Type, Value } from "@portolan/typebox";
import type { FetchJwks } from "./tokens/issuer-keys.ts";
import { maxPublishedKeys } from "./tokens/verification-keys.ts";

const KeySet = Type.Object({
  keys: Type.Array(Type.Record(Type.String(), Type.Unknown()), { maxItems: maxPublishedKeys }),
});
const maxBytes = 256 * 1024;
/** From the first byte to the last: a provider that drips its answer gets no more. */
const defaultTimeoutMs = 5_000;

/**
 * Fetches published key sets: from addresses that the rules allow, without redirects, 256 KiB and five seconds at most, and of the
 * right shape, or it rejects. The address is judged after its name was resolved, and that very address is connected to, so
 * that a name cannot be made to point inside in between.
 */
export function createJwksFetcher(rules: AddressRules, timeoutMs = defaultTimeoutMs): FetchJwks {
  return async (uri) => {
    const verdict = judgeUrl(rules, uri);
    if (verdict.kind === "refused") throw new Error(`key set: ${verdict.why}`);
    const response = await open(new URL(uri), rules, timeoutMs);
    // A redirect is an answer like any other that is not 200: nobody is followed anywhere.
    if (response.statusCode !== 200) {
      response.destroy();
      throw new Error(`key set: HTTP ${String(response.statusCode)}`);
    }
    const document: unknown = JSON.parse((await readAll(response)).toString("utf8"));
    if (!Value.Check(KeySet, document)) throw new Error("key set: not a JSON Web Key Set");
    return document;
  };
}

function open(url: URL, rules: AddressRules, timeoutMs: number): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const send = url.protocol === "https:" ? requestHttps : requestHttp;
  const request = send(url, {
    agent: false,
    signal: AbortSignal.timeout(timeoutMs),
    headers: { accept: "application/json" },
    lookup: guardedLookup(rules, hostOf(url)),
  });
  request.once("response", resolve);
  request.on("error", reject);
  request.end();
  return promise;
}

async function readAll(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBytes) throw new Error("key set: too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
