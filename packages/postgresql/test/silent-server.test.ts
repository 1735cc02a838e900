import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { expect, test } from "vitest";
import { createRelationReader } from "../src/index.ts";

/** Messages of the protocol: who connects is let in, and the server is ready. */
const letIn = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0, 0x5a, 0, 0, 0, 5, 0x49]);

test("a server that says nothing more is given up after its statements' time limit, and its connection closed", async () => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.once("data", () => socket.write(letIn));
    socket.on("error", () => undefined);
    socket.resume();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const connection = {
      host: "127.0.0.1",
      port: (server.address() as AddressInfo).port,
      database: "sales",
      user: "reader",
      maxRows: 10,
      maxBytes: 1000,
      statementTimeoutMs: 100,
    };
    const request = { relation: "public.orders", wanted: ["id"], keep: () => Promise.resolve() };
    await expect(
      createRelationReader().read(connection, [request], AbortSignal.timeout(15_000)),
    ).rejects.toMatchObject({
      code: "data.connection_failed",
      detail: "the PostgreSQL database failed: it said nothing for too long (ETIMEDOUT)",
    });
    for (const socket of sockets) if (!socket.closed) await once(socket, "close");
  } finally {
    server.close();
  }
});
