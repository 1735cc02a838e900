import { connect, type Socket } from "node:net";
import { TensorServer, type TextServer } from "@portolan/upstream/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TestGateway } from "./installation.ts";
import { TextInstallation } from "./text-installation.ts";
import { body, scores } from "./upstream-installation.ts";

const limits = { ratePerSecond: 1000, burst: 1000, timeoutMs: 2000, bodyBytes: 4_000_000 };
let installation: TextInstallation;
let gateway: TestGateway;
let tensors: TensorServer;
const servers: Record<string, TextServer> = {};
beforeAll(async () => {
  installation = new TextInstallation();
  servers["unread"] = await installation.addText("unread", { limits });
  servers["talkative"] = await installation.addText("talkative", {
    limits: { ...limits, timeoutMs: 10_000 },
  });
  servers["long"] = await installation.addText("long", { limits });
  const standby = await installation.textVersion("standby", 4);
  servers["standby"] = standby.server;
  servers["hung"] = await installation.addText("hung", {
    limits: { ...limits, timeoutMs: 1000 },
    secondary: { model: standby.model, features: null },
    fallbacks: [{ kind: "secondary_model" }],
  });
  tensors = await TensorServer.start([...scores.signature.inputs], [...scores.signature.outputs]);
  const place = { region: "local", owner: "self" };
  const elsewhere = installation.upstream(
    "tensors",
    1,
    { protocol: "open-inference", url: tensors.url, model: "echo", ...place },
    scores,
  );
  servers["crossed"] = await installation.addText("crossed", {
    limits,
    previous: { model: elsewhere, features: null },
    secondary: { model: standby.model, features: null },
    fallbacks: [{ kind: "previous_version" }, { kind: "secondary_model" }],
  });
  installation.addUpstream("crossed-tensors", elsewhere, {
    previous: { model: standby.model, features: null },
    fallbacks: [{ kind: "previous_version" }, { kind: "fixed", outputs: { score: 0.25 } }],
  });
  await installation.publish(1);
  gateway = await installation.start({ UPSTREAM_ALLOWED_HOSTS: "127.0.0.1" });
});
afterAll(async () => {
  await installation.end();
  await tensors.close();
});

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

const ask = (model: string, content = "hello there") => ({
  model,
  messages: [{ role: "user" as const, content }],
});

test("a circuit closes once three streams have begun, however long they last", async () => {
  const client = installation.client(gateway);
  const server = serverOf("long");
  server.mode = "fail";
  for (let i = 0; i < 5; i++)
    await expect(client.chat.completions.create(ask("long"))).rejects.toMatchObject({ status: 503 });
  server.mode = "ok";
  server.pauseMs = 500;
  await new Promise((resolve) => setTimeout(resolve, 1100));
  const streams = await Promise.all(
    [1, 2, 3].map(() =>
      client.chat.completions.create({ ...ask("long", "x ".repeat(100).trim()), stream: true }),
    ),
  );
  server.pauseMs = 0;
  const { choices } = await client.chat.completions.create(ask("long"));
  expect(choices[0]?.message.content).toBe("hello there");
  for (const stream of streams) stream.controller.abort();
});

test("a hung version does not open the circuit of the one that had only what it left", async () => {
  const client = installation.client(gateway);
  const [hung, standby] = [serverOf("hung"), serverOf("standby")];
  hung.mode = "silent";
  standby.mode = "silent";
  for (let i = 0; i < 5; i++)
    await expect(client.chat.completions.create(ask("hung"))).rejects.toMatchObject({ status: 504 });
  standby.mode = "ok";
  const { data, response } = await client.chat.completions.create(ask("hung")).withResponse();
  expect(data.choices[0]?.message.content).toBe("hello there");
  expect(response.headers.get("x-portolan-fallback")).toBe("breaker_open");
});

test("a previous version of the other protocol is passed over", async () => {
  serverOf("standby").mode = "ok";
  serverOf("crossed").mode = "fail";
  const client = installation.client(gateway);
  const { data, response } = await client.chat.completions.create(ask("crossed")).withResponse();
  expect(data.choices[0]?.message.content).toBe("hello there");
  expect(response.headers.get("x-portolan-answered-by")).toBe("secondary_model");
  tensors.mode = "fail";
  const answer = await gateway.post("/v2/models/crossed-tensors/infer", body);
  expect(answer.headers.get("x-portolan-answered-by")).toBe("fixed");
});

test("of a stream of more than 8 MiB the beginning is kept, and the record says so", async () => {
  const server = serverOf("talkative");
  server.repeats = 5;
  const client = installation.client(gateway);
  const stream = await client.chat.completions.create({
    ...ask("talkative", "x".repeat(20_000).concat(" ").repeat(100).trim()),
    stream: true,
  });
  for await (const _ of stream);
  expect(server.written).toBe(500);
});

test("a caller that does not read is left after the charter's time, and on the record", async () => {
  const server = serverOf("unread");
  server.repeats = 200;
  const socket = askUnread("unread", "x".repeat(2000).concat(" ").repeat(150));
  await expect.poll(() => server.written, { timeout: 5000 }).toBeGreaterThan(0);
  await expect.poll(() => server.left, { timeout: 10_000 }).toBe(1);
  socket.destroy();
  await gateway.end("SIGTERM");
  const kept = installation.records().find(({ header }) => header.context.endpoint === "talkative");
  expect(kept?.header).toMatchObject({ status: { kind: "ok" }, text: { truncated: true } });
  expect(kept?.payload?.outputs?.bytes.length).toBe(8 * 2 ** 20);
  expect(kept?.header.bytes?.out).toBeGreaterThan(8 * 2 ** 20);
  expect(installation.records().at(-1)?.header).toMatchObject({
    context: { endpoint: "unread" },
    status: { kind: "error", reason: "serving.client_gone" },
    text: { streamed: true },
  });
});
