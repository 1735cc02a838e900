import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { addMicros, createLogger, formatHttpDate, Secret, systemClock } from "@portolan/kernel";
import { afterEach, expect, test } from "vitest";
import { ClockOffset } from "../src/clock-offset.ts";
import { type ControlCredential, createControlClient } from "../src/control-client.ts";

const place = { gateway: "gateway", region: "local", owner: "self" };
const holding = (token: Secret | undefined): ControlCredential => ({
  current: () => token,
  refused: () => undefined,
});
const offset = new ClockOffset(systemClock, createLogger({ name: "gateway", level: "silent" }));
const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function serve(answer: (path: string) => { status: number; location?: string; date?: string }) {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(request.headers.authorization ?? "-");
    const { status, ...headers } = answer(request.url ?? "");
    response.writeHead(status, headers).end("{}");
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

test("a gateway does not send its token over plain http to another machine", () => {
  const token = holding(new Secret("t0ken"));
  expect(() => createControlClient("http://control.example.org:7400", token, place, offset)).toThrow(
    /CONTROL_URL/,
  );
  expect(() => createControlClient("http://127.example.org:7400", token, place, offset)).toThrow(
    /CONTROL_URL/,
  );
  createControlClient("https://control.example.org", token, place, offset);
  createControlClient("http://control.example.org", holding(undefined), place, offset);
});

test("on this machine plain http carries the token, and a redirect does not carry it on", async () => {
  const token = holding(new Secret("t0ken"));
  const other = await serve(() => ({ status: 200 }));
  const control = await serve((path) =>
    path.endsWith("/trust") ? { status: 200 } : { status: 307, location: `${other.url}/taken` },
  );
  const client = createControlClient(control.url, token, place, offset);
  await client.trust();
  expect(control.seen).toEqual(["Bearer t0ken"]);
  await expect(client.latestSnapshot(0, 0)).rejects.toThrow();
  await expect(client.post("/v1/blocks", new Uint8Array(1), AbortSignal.timeout(5000))).rejects.toThrow();
  expect(other.seen).toEqual([]);
});

test("answers of control say how far its clock is from this machine's", async () => {
  const hour = 3_600_000_000;
  const control = await serve(() => ({
    status: 200,
    date: formatHttpDate(addMicros(systemClock.now(), -hour)),
  }));
  const own = new ClockOffset(systemClock, createLogger({ name: "gateway", level: "silent" }));
  await createControlClient(control.url, holding(undefined), place, own).trust();
  expect(own.seconds).toBeGreaterThan(3_590);
  expect(own.seconds).toBeLessThanOrEqual(3_600);
});
