import { createHmac } from "node:crypto";
import { type Clock, PortolanError, type Secret } from "@portolan/kernel";

/**
 * The headers that Standard Webhooks asks for: id, time and, with a secret, HMAC-SHA256 over id, time and body.
 *
 * @param secret shared with the receiver, as `whsec_` and base64
 * @throws PortolanError `kernel.bad_configuration` for a secret of another form
 */
export function webhookHeaders(
  id: string,
  body: string,
  clock: Clock,
  secret: Secret | undefined,
): Record<string, string> {
  const seconds = String(Math.floor(clock.now() / 1_000_000));
  const key = secret && webhookKey(secret, "the secret of a webhook");
  return {
    "webhook-id": id,
    "webhook-timestamp": seconds,
    ...(key ? { "webhook-signature": signature(key, `${id}.${seconds}.${body}`) } : {}),
  };
}

/**
 * The key of a symmetric secret of Standard Webhooks: 24 to 64 bytes.
 *
 * @param what names the setting, for the message
 * @throws PortolanError `kernel.bad_configuration`
 */
export function webhookKey(secret: Secret, what: string): Buffer {
  const text = /^whsec_(?<key>[A-Za-z0-9+/]+={0,2})$/.exec(secret.reveal())?.groups?.["key"];
  const key = Buffer.from(text ?? "", "base64");
  if (key.length >= 24 && key.length <= 64) return key;
  throw new PortolanError("kernel.bad_configuration", {
    detail: `${what} is not whsec_ and the base64 of 24 to 64 bytes`,
    mend: 'Make one: echo "whsec_$(openssl rand -base64 32)".',
  });
}

function signature(key: Buffer, text: string): string {
  return `v1,${createHmac("sha256", key).update(text).digest("base64")}`;
}
