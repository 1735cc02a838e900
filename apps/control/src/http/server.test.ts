import { type AddressInfo, connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { createLogger, systemClock } from "@portolan/kernel";
import type { FastifyInstance } from "fastify";
import { afterAll, beforeAll, expect, test } from "vitest";
import { errorCatalogue } from "../error-catalogue.ts";
import { createServer } from "./server.ts";

let app: FastifyInstance;
beforeAll(async () => {
  const log = createLogger({ name: "test", level: "silent" });
  app = await createServer({ catalogue: errorCatalogue, log, clock: systemClock, describes: false });
  app.get("/here", async () => "here");
  app.post("/there", { bodyLimit: 1000 }, async () => "there");
  await app.listen({ host: "127.0.0.1", port: 0 });
});
afterAll(() => app.close());

/** All that comes back on a connection of its own until the server closes it. */
function said(bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = connect((app.server.address() as AddressInfo).port, "127.0.0.1");
    socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
    socket.on("error", reject);
    socket.on("close", () => resolve(text));
    socket.write(bytes);
  });
}

test.each([
  ["no Host header", "GET /here HTTP/1.1\r\n\r\n", 400, "Host"],
  [
    "an expectation that nobody fulfils",
    "GET /here HTTP/1.1\r\nhost: x\r\nexpect: the-moon\r\n\r\n",
    417,
    "Expect",
  ],
  ["no request at all", "what is this\r\n\r\n", 400, "RFC 9112"],
  ["headers without end", `GET /here HTTP/1.1\r\nx: ${"x".repeat(20_000)}\r\n\r\n`, 431, "shorter"],
])("%s: a problem document that says how to mend it, and the end", async (_name, bytes, status, word) => {
  const [head = "", document = ""] = (await said(bytes)).split("\r\n\r\n");
  expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  expect(head).toMatch(/^content-type: application\/problem\+json/im);
  expect(JSON.parse(document)).toMatchObject({ status, mend: expect.stringContaining(word) });
});

test("HTTP/1.0 knows no Host header", async () => {
  expect(await said("GET /here HTTP/1.0\r\n\r\n")).toMatch(/^HTTP\/1\.1 200 .*here$/s);
});

/** All that comes back to somebody who reads nothing until all of the body is sent, piece by piece. */
async function saidAfterAll(head: string, piece: string, pieces: number): Promise<string> {
  const socket = connect((app.server.address() as AddressInfo).port, "127.0.0.1");
  socket.pause();
  let fault = "";
  socket.on("error", (error) => (fault = error.message));
  socket.write(head);
  for (let sent = 0; sent < pieces && !socket.destroyed; sent++) {
    socket.write(piece);
    await delay(2);
  }
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
  socket.resume().end();
  await new Promise<void>((resolve) => (socket.closed ? resolve() : socket.once("close", () => resolve())));
  return text || fault;
}

test.each([
  ["stated", "content-length: 3276800", "x".repeat(2 ** 16)],
  ["in chunks", "transfer-encoding: chunked", `10000\r\n${"x".repeat(2 ** 16)}\r\n`],
])(
  "a body that is too large, its size %s, is refused in words, also to those who first send all of it",
  async (_how, size, piece) => {
    const head = `POST /there HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n${size}\r\n\r\n`;
    const text = await saidAfterAll(head, piece, 50);
    expect(text).toMatch(/^HTTP\/1\.1 413 /);
    expect(text).toContain('"code":"kernel.body_too_large"');
  },
);
