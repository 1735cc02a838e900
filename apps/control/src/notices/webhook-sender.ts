import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import type { NoticeSender, OutgoingNotice } from "@portolan/data";
import {
  type AddressRules,
  type Clock,
  guardedLookup,
  hostOf,
  judgeUrl,
  PortolanError,
  type Secret,
} from "@portolan/kernel";
import { webhookHeaders, webhookKey } from "./webhook-signature.ts";

const timeoutMs = 10_000;

export interface WebhookOptions {
  /** Which addresses may be asked: people write them into contracts. */
  readonly addresses: AddressRules;
  readonly clock: Clock;
  /** Shared with the receivers, as `whsec_` and base64; without it notices go unsigned. */
  readonly secret?: Secret;
}

/**
 * Posts CloudEvents as the specification Standard Webhooks says (`webhook-id`, `webhook-timestamp`, `webhook-signature`: HMAC-SHA256 over
 * id, time and body, under the bytes that the secret's base64 stands for). Only to addresses that the rules allow, without redirects; the answer's body is not read.
 *
 * @throws PortolanError `kernel.bad_configuration` for a secret of another form
 */
export function createWebhookSender({ addresses, clock, secret }: WebhookOptions): NoticeSender {
  // A secret that cannot be used is said at the start, not at the first notice.
  if (secret) webhookKey(secret, "NOTICE_SECRET");
  const options = { addresses, clock, ...(secret ? { secret } : {}) };
  return {
    send: async (notice) => {
      const verdict = judgeUrl(addresses, notice.url);
      if (verdict.kind === "refused") throw undeliverable(verdict.why);
      const response = await post(new URL(notice.url), notice, options);
      const status = response.statusCode ?? 0;
      response.destroy();
      if (status < 200 || status > 299) throw undeliverable(`the receiver answered ${status}`);
    },
  };
}

function undeliverable(why: string): PortolanError {
  return new PortolanError("data.notice_undeliverable", {
    detail: `a notice was not delivered: ${why}`,
    mend: "Mend the url of the contract's support channel, or have its host allowed in NOTICE_ALLOWED_HOSTS.",
  });
}

function post(
  url: URL,
  { id, body }: OutgoingNotice,
  { addresses, clock, secret }: WebhookOptions,
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const send = url.protocol === "https:" ? requestHttps : requestHttp;
  const request = send(url, {
    method: "POST",
    agent: false,
    signal: AbortSignal.timeout(timeoutMs),
    headers: {
      "content-type": "application/cloudevents+json; charset=utf-8",
      "content-length": Buffer.byteLength(body),
      "user-agent": "portolan",
      ...webhookHeaders(id, body, clock, secret),
    },
    lookup: guardedLookup(addresses, hostOf(url)),
  });
  request.once("response", resolve);
  request.on("error", reject);
  request.end(body);
  return promise;
}
