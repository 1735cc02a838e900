import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import {
  type AddressRules,
  guardedLookup,
  hostOf,
  judgeUrl,
  messageOf,
  PortolanError,
} from "@portolan/kernel";
import type { MeteringErrorCode } from "../../errors.ts";

const mostBytes = 64 * 2 ** 20;
const timeoutMs = 60_000;

/**
 * Asks for JSON at an address that the rules allow, judged again once its name is resolved; without redirects, 64 MiB and a minute at most.
 *
 * @throws PortolanError `metering.collection_failed`
 */
export async function askJson(url: URL, rules: AddressRules): Promise<unknown> {
  const verdict = judgeUrl(rules, url.href);
  if (verdict.kind === "refused")
    throw failed(
      url,
      verdict.why,
      "Write https, or allow a host inside with --allow, e.g. --allow http://prometheus.monitoring.svc.",
    );
  let text: string;
  let status: number;
  try {
    const response = await open(url, rules);
    status = response.statusCode ?? 0;
    text = (await readAll(response)).toString("utf8");
  } catch (error) {
    throw failed(url, messageOf(error), "See that it runs and answers there.");
  }
  if (status !== 200)
    throw failed(
      url,
      `it answered ${status}: ${text.slice(0, 200)}`,
      "A redirect is not followed: name where it leads.",
    );
  try {
    return JSON.parse(text);
  } catch {
    throw failed(url, "it answered no JSON", "See that the address is the API's own.");
  }
}

function open(url: URL, rules: AddressRules): Promise<IncomingMessage> {
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
    if (length > mostBytes)
      throw new Error(`it answers with more than ${mostBytes} bytes: ask for a shorter time`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function failed(url: URL, why: string, mend: string): PortolanError<MeteringErrorCode> {
  return new PortolanError<MeteringErrorCode>("metering.collection_failed", {
    detail: `${url.origin}: ${why}`,
    mend,
  });
}
