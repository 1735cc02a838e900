import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { asEpochMicros, readAddressRules, Secret, systemClock } from "@portolan/kernel";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createWebhookSender } from "../src/notices/webhook-sender.ts";

const taken: { headers: IncomingHttpHeaders; body: string }[] = [];
const receiver = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    taken.push({ headers: request.headers, body: Buffer.concat(chunks).toString("utf8") });
    response.writeHead(request.url === "/moved" ? 307 : 204, { location: "/notices" }).end();
  });
});
const url = (path: string) => `http://127.0.0.1:${(receiver.address() as AddressInfo).port}${path}`;
const secret = new Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
const sender = (allowed: string | undefined, development: boolean) =>
  createWebhookSender({
    addresses: readAddressRules(allowed, development),
    clock: { ...systemClock, now: () => asEpochMicros(1_614_265_330_000_000) },
    secret,
  });

beforeAll(() => new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve)));
afterAll(() => receiver.close());

test("a notice arrives as it is, signed over id, time and body as Standard Webhooks says", async () => {
  await sender(undefined, true).send({ id: "ntc_1", url: url("/notices"), body: '{"a":"é"}' });
  expect(taken.at(-1)?.body).toBe('{"a":"é"}');
  // The vector that the specification's own libraries are tested with.
  const vector = { id: "msg_p5jXN8AQM9LWM0D4loKWxJek", body: '{"test": 2432232314}' };
  await sender(undefined, true).send({ ...vector, url: url("/notices") });
  expect(taken.at(-1)).toMatchObject({
    body: vector.body,
    headers: {
      "webhook-id": vector.id,
      "webhook-timestamp": "1614265330",
      "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
      "content-type": "application/cloudevents+json; charset=utf-8",
    },
  });
});

test.each(["s3cret", "whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])(
  "a secret that receivers cannot decode is refused at the start: %s",
  (text) => {
    const addresses = readAddressRules(undefined, true);
    expect(() => createWebhookSender({ addresses, clock: systemClock, secret: new Secret(text) })).toThrow(
      expect.objectContaining({ code: "kernel.bad_configuration" }),
    );
  },
);

test("an address inside, another scheme and a redirect are not followed", async () => {
  const before = taken.length;
  const refused = { code: "data.notice_undeliverable" };
  for (const target of [url("/notices"), "ftp://example.com", "https://169.254.169.254/latest"])
    await expect(
      sender(undefined, false).send({ id: "n", url: target, body: "{}" }),
      target,
    ).rejects.toMatchObject(refused);
  expect(taken.length).toBe(before);
  await expect(
    sender(undefined, true).send({ id: "n", url: url("/moved"), body: "{}" }),
  ).rejects.toMatchObject(refused);
  expect(taken.length).toBe(before + 1);
});
