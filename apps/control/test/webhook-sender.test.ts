import { createHmac } from "node:crypto";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { readAddressRules, Secret, systemClock } from "@portolan/kernel";
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
const sender = (allowed: string | undefined, development: boolean) =>
  createWebhookSender({
    addresses: readAddressRules(allowed, development),
    clock: systemClock,
    secret: new Secret("s3cret"),
  });

beforeAll(() => new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve)));
afterAll(() => receiver.close());

test("a notice arrives as it is, signed over id, time and body as Standard Webhooks says", async () => {
  await sender(undefined, true).send({ id: "ntc_1", url: url("/notices"), body: '{"a":"é"}' });
  const { headers, body } = taken.at(-1) ?? { headers: {}, body: "" };
  expect(body).toBe('{"a":"é"}');
  const signed = `ntc_1.${String(headers["webhook-timestamp"])}.${body}`;
  const expected = createHmac("sha256", "s3cret").update(signed).digest("base64");
  expect(headers).toMatchObject({
    "webhook-id": "ntc_1",
    "webhook-signature": `v1,${expected}`,
    "content-type": "application/cloudevents+json; charset=utf-8",
  });
});

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
