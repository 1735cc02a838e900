import { connect, type Socket } from "node:net";
import type { TextServer } from "@portolan/upstream/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TestGateway } from "./installation.ts";
import { TextInstallation } from "./text-installation.ts";

const limits = { ratePerSecond: 1000, burst: 1000, timeoutMs: 2000, bodyBytes: 4_000_000 };
let installation: TextInstallation;
let gateway: TestGateway;
const servers: Record<string, TextServer> = {};
beforeAll(async () => {
  installation = new TextInstallation();
  servers["unread"] = await installation.addText("unread", { limits });
  await installation.publish(1);
  gateway = await installation.start({ UPSTREAM_ALLOWED_HOSTS: "127.0.0.1" });
});
afterAll(() => installation.end());

function serverOf(name: string): TextServer {
  const server = servers[name];
  if (!server) throw new Error(`no server ${name}`);
  return server;
}

/** A caller that asks for a stream and reads none of it. */
function askUnread(model: string, content: string): Socket {
  const body = JSON.stringify({ model, stream: true, messages: [{ role: "user", content }] });
  const socket = connect(Number(new URL(gateway.url).port), "127.0.0.1");
  socket.pause();
  socket.on("error", () => undefined);
  const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${installation.apiKey}`;
  socket.write(`${head}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  return socket;
}

test("a caller that does not read is left after the charter's time, and on the record", async () => {
  const server = serverOf("unread");
  server.repeats = 200;
  const socket = askUnread("unread", "x".repeat(2000).concat(" ").repeat(150));
  await expect.poll(() => server.written, { timeout: 5000 }).toBeGreaterThan(0);
  await expect.poll(() => server.left, { timeout: 10_000 }).toBe(1);
  socket.destroy();
  await gateway.end("SIGTERM");
  expect(installation.records().at(-1)?.header).toMatchObject({
    context: { endpoint: "unread" },
    status: { kind: "error", reason: "serving.client_gone" },
    text: { streamed: true },
  });
});
