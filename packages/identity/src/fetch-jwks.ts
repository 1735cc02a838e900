import { type AddressRules, guardedGet } from "@portolan/kernel";
import { Type, Value } from "@portolan/typebox";
import type { FetchJwks } from "./tokens/issuer-keys.ts";
import { maxPublishedKeys } from "./tokens/verification-keys.ts";

const KeySet = Type.Object({
  keys: Type.Array(Type.Record(Type.String(), Type.Unknown()), { maxItems: maxPublishedKeys }),
});
const mostBytes = 256 * 1024;
const defaultTimeoutMs = 5_000;

/**
 * Fetches published key sets: from addresses that the rules allow, without redirects, 256 KiB and five seconds at most, and of the
 * right shape, or it rejects.
 */
export function createJwksFetcher(rules: AddressRules, timeoutMs = defaultTimeoutMs): FetchJwks {
  return async (uri) => {
    const { status, body } = await guardedGet(new URL(uri), { rules, timeoutMs, mostBytes });
    if (status !== 200) throw new Error(`key set: HTTP ${status}`);
    const document: unknown = JSON.parse(body.toString("utf8"));
    if (!Value.Check(KeySet, document)) throw new Error("key set: not a JSON Web Key Set");
    return document;
  };
}
