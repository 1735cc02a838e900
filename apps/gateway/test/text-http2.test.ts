import { connect, constants } from "node:http2";
import { writeTestCertificate } from "@portolan/testkit/certificate";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TextInstallation } from "./text-installation.ts";

let installation: TextInstallation;
beforeAll(() => {
  installation = new TextInstallation();
});
afterAll(() => installation.end());

test("over HTTP/2 a stream comes part by part, a slow reader slows its upstream, and a reset ends the upstream's work", async () => {
  const server = await installation.addText("parrot-talk", {
    limits: { ratePerSecond: 100, burst: 100, timeoutMs: 10_000, bodyBytes: 4_000_000 },
  });
  await installation.publish(1);
  const { certFile, keyFile, certificatePem: ca } = writeTestCertificate(installation.home);
  const tls = { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile };
  const gateway = await installation.start({ ...tls, UPSTREAM_ALLOWED_HOSTS: "127.0.0.1" });
  const session = connect(`https://localhost:${new URL(gateway.url).port}`, { ca });
  const open = (content: string) => {
    const stream = session.request({
      ":method": "POST",
      ":path": "/v1/chat/completions",
      authorization: `Bearer ${installation.apiKey}`,
    });
    stream.on("error", () => undefined);
    stream.end(JSON.stringify({ model: "parrot-talk", stream: true, messages: [{ role: "user", content }] }));
    return stream;
  };
  let text = "";
  for await (const part of open("a b c")) text += String(part);
  expect(text).toMatch(/: prediction prd_\S+\n\ndata: \[DONE\]\n\n$/);
  server.repeats = 20;
  const seen = server.written;
  // Sixty megabytes are far more than the windows and buffers on the way: nobody reads, so the upstream has to stop writing.
  const slow = open("x".repeat(2000).concat(" ").repeat(1500));
  await expect
    .poll(
      async () => {
        const before = server.written;
        await new Promise((resolve) => setTimeout(resolve, 300));
        return server.written > seen && server.written === before;
      },
      { timeout: 20_000 },
    )
    .toBe(true);
  expect(server.written - seen).toBeLessThan(20_000);
  const { left } = server;
  slow.close(constants.NGHTTP2_CANCEL);
  await expect.poll(() => server.left, { timeout: 5000 }).toBe(left + 1);
  session.close();
});
