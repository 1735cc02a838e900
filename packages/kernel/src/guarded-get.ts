import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { type AddressRules, guardedLookup, hostOf, judgeUrl } from "./outbound-addresses.ts";

export interface GuardedGet {
  readonly rules: AddressRules;
  /** From the first byte to the last: whoever drips an answer gets no more. */
  readonly timeoutMs: number;
  readonly mostBytes: number;
}

/** What somebody else answered; a redirect is an answer like any other, and is not followed. */
export interface GuardedAnswer {
  readonly status: number;
  readonly body: Buffer;
}

/**
 * Asks for JSON at an address that the rules allow. It is judged again after its name was resolved, and that very address is connected to, so that a name
 * cannot be made to point inside in between.
 *
 * @throws Error with the reason where the address is refused, does not answer in time, or answers with more
 */
export async function guardedGet(
  url: URL,
  { rules, timeoutMs, mostBytes }: GuardedGet,
): Promise<GuardedAnswer> {
  const verdict = judgeUrl(rules, url.href);
  if (verdict.kind === "refused") throw new Error(verdict.why);
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
  const response = await promise;
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > mostBytes) throw new Error(`it answers with more than ${mostBytes} bytes`);
    chunks.push(chunk);
  }
  return { status: response.statusCode ?? 0, body: Buffer.concat(chunks) };
}
