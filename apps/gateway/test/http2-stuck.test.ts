import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { writeTestCertificate } from "@portolan/testkit/certificate";
import { afterAll, expect, test } from "vitest";
import { listen } from "../src/http/server.ts";

const folder = mkdtempSync(join(tmpdir(), "http2-stuck-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** More than the sockets of both sides hold. */
const body = Buffer.alloc(32 * 2 ** 20);
const answer = { status: 200, contentType: "application/octet-stream", headers: {}, code: "", body };

function frame(type: number, flags: number, stream: number, payload: readonly number[]): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, Buffer.from(payload)]);
}

test("a client that breaks HTTP/2's rules and reads nothing loses its connection, and the server ends", async () => {
  const { certFile, keyFile, certificatePem: ca } = writeTestCertificate(folder);
  let answering: () => void = () => undefined;
  const answered = new Promise<void>((resolve) => (answering = resolve));
  const server = await listen({
    host: "127.0.0.1",
    port: 0,
    tls: { certFile, keyFile },
    handle: async () => {
      setImmediate(answering);
      return answer;
    },
  });
  const socket = connectTls({ host: "localhost", port: server.port, ca, ALPNProtocols: ["h2"] });
  socket.on("error", () => undefined); // it is reset
  await new Promise<void>((resolve) => socket.once("secureConnect", () => resolve()));
  // From here on it reads nothing, and it says that it takes as much as may come.
  socket.pause();
  socket.write(
    Buffer.concat([
      Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
      frame(4, 0, 0, [0, 4, 0x7f, 0xff, 0xff, 0xff]), // SETTINGS: the window of each stream
      frame(8, 0, 0, [0x3f, 0xff, 0xff, 0xff]), // WINDOW_UPDATE of the connection
      frame(1, 5, 1, [0x82, 0x87, 0x84, 1, 1, 0x78]), // HEADERS: GET https x /, by HPACK's static table
    ]),
  );
  await answered;
  socket.write(frame(0, 0, 0, [0])); // DATA on stream 0
  const closed = new Promise((resolve) => socket.once("close", resolve));
  await server.close(100);
  socket.resume();
  await closed;
  expect(socket.destroyed).toBe(true);
});
