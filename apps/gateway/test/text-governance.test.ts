import type { TextServer } from "@portolan/upstream/testing";
import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TestGateway } from "./installation.ts";
import { TextInstallation } from "./text-installation.ts";

const limits = { ratePerSecond: 1000, burst: 1000, timeoutMs: 1000, bodyBytes: 10_000 };
let installation: TextInstallation;
let gateway: TestGateway;
let client: OpenAI;
const servers: Record<string, TextServer> = {};
beforeAll(async () => {
  installation = new TextInstallation();
  // 60 tokens at once and one a second: a client may have half of it.
  servers["budgeted"] = await installation.addText("budgeted", {
    limits: { ...limits, clientShare: 0.5, tokens: { perSecond: 1, burst: 120 } },
  });
  const { server: standby, model } = await installation.textVersion("standby", 4);
  servers["standby"] = standby;
  const secondary = { model, features: null };
  const fallbacks = [{ kind: "secondary_model" as const }];
  for (const name of ["fragile", "misleading", "cutting"])
    servers[name] = await installation.addText(name, { limits, secondary, fallbacks });
  const resilience = { maxInFlight: 1000, slowMs: 60_000, targetWaitMs: 10_000 };
  servers["again"] = await installation.addText("again", { limits, resilience });
  servers["once"] = await installation.addText("once", {
    limits,
    resilience: { ...resilience, retryShare: 0 },
  });
  servers["alone"] = await installation.addText("alone", { limits });
  servers["abroad"] = await installation.addText("abroad", {
    placement: { regions: ["eu-*"], owners: ["self"] },
  });
  await installation.publish(1);
  gateway = await installation.start({ UPSTREAM_ALLOWED_HOSTS: "127.0.0.1", DRAIN_MS: "200" });
  client = installation.client(gateway);
});
afterAll(() => installation.end());

const ask = (model: string, over: object = {}) => ({
  model,
  messages: [{ role: "user" as const, content: "hello there" }],
  ...over,
});

function serverOf(name: string): TextServer {
  const server = servers[name];
  if (!server) throw new Error(`no server ${name}`);
  return server;
}

test("a connection that ends without a word is asked again, and not where the charter wants no second time", async () => {
  for (const name of ["again", "once"]) {
    await client.chat.completions.create(ask(name));
    serverOf(name).bodies.length = 0;
    serverOf(name).drops = 1;
  }
  const said = await client.chat.completions.create(ask("again"));
  expect([said.choices[0]?.message.content, serverOf("again").bodies.length]).toEqual(["hello there", 2]);
  await expect(client.chat.completions.create(ask("once"))).rejects.toMatchObject({ status: 503 });
  expect(serverOf("once").bodies).toHaveLength(1);
});

test("a token budget takes the estimate, settles what was used, and refuses beyond it as OpenAI does", async () => {
  const create = (over: object) =>
    client.chat.completions.create(ask("budgeted", { max_completion_tokens: 20, ...over })).withResponse();
  const left = ({ response }: { response: Response }) =>
    Number(response.headers.get("x-ratelimit-remaining-tokens"));
  const first = await create({});
  expect(first.response.headers.get("x-ratelimit-limit-tokens")).toBe("60");
  // The upstream counted 12 and 2, whatever was estimated.
  expect(left(first)).toBeGreaterThanOrEqual(60 - 14);
  expect(left(first)).toBeLessThanOrEqual(60 - 14 + 2);
  const refused = create({ max_completion_tokens: 56 });
  await expect(refused).rejects.toBeInstanceOf(OpenAI.RateLimitError);
  await expect(refused).rejects.toMatchObject({
    status: 429,
    type: "tokens",
    code: "rate_limit_exceeded",
    message: expect.stringContaining("client"),
  });
  const error = (await refused.catch((thrown: unknown) => thrown)) as InstanceType<typeof OpenAI.APIError>;
  expect(Number(error.headers?.get("retry-after"))).toBeGreaterThan(0);
  expect(left(await create({})), "what was refused cost nothing").toBeGreaterThan(60 - 2 * 14 - 1);
  serverOf("budgeted").mode = "fail";
  const before = left(
    await create({}).catch(async () => {
      serverOf("budgeted").mode = "ok";
      return create({});
    }),
  );
  expect(before, "what nobody answered cost nothing").toBeGreaterThan(60 - 3 * 14 - 1);
});

test("before anything was said another version may answer; once something was, none does", async () => {
  const fragile = serverOf("fragile");
  for (const mode of ["fail", "silent", "empty", "excuse"] as const) {
    fragile.mode = mode;
    const { data, response } = await client.chat.completions
      .create(ask("fragile", { stream: true }) as OpenAI.ChatCompletionCreateParamsStreaming)
      .withResponse();
    let text = "";
    for await (const chunk of data) text += chunk.choices[0]?.delta.content ?? "";
    expect([mode, text]).toEqual([mode, "hello there"]);
    expect(response.headers.get("x-portolan-answered-by")).toBe("secondary_model");
    expect(response.headers.get("x-portolan-fallback")).toBe(mode === "silent" ? "timeout" : "unavailable");
  }
  // Whatever its status says, what is no whole answer is none.
  for (const mode of ["page", "excuse", "garbled"] as const) {
    serverOf("misleading").mode = mode;
    const { data, response } = await client.chat.completions.create(ask("misleading")).withResponse();
    expect(data.choices[0]?.message.content).toBe("hello there");
    expect(response.headers.get("x-portolan-fallback")).toBe("unavailable");
  }
  serverOf("misleading").mode = "page";
  const page = await client.chat.completions
    .create(ask("misleading", { stream: true }) as OpenAI.ChatCompletionCreateParamsStreaming)
    .withResponse();
  expect(page.response.headers.get("x-portolan-fallback")).toBe("unavailable");
  page.data.controller.abort();
  const asked = serverOf("standby").bodies.length;
  serverOf("cutting").mode = "cut";
  const stream = await client.chat.completions.create({ ...ask("cutting"), stream: true });
  await expect(
    (async () => {
      for await (const _ of stream);
    })(),
  ).rejects.toBeInstanceOf(OpenAI.APIError);
  expect(serverOf("standby").bodies).toHaveLength(asked);
});

test("a server that always fails is asked five times, and then not", async () => {
  const alone = serverOf("alone");
  alone.mode = "fail";
  const before = alone.bodies.length;
  for (let i = 0; i < 8; i++)
    await expect(client.chat.completions.create(ask("alone"))).rejects.toMatchObject({ status: 503 });
  expect(alone.bodies).toHaveLength(before + 5);
});

test("a server beyond the charter's border is not asked here", async () => {
  await expect(client.chat.completions.create(ask("abroad"))).rejects.toMatchObject({ status: 503 });
  expect(serverOf("abroad").bodies).toEqual([]);
});

test("a stream that is under way when the gateway ends is cut off, and on the record", async () => {
  const cutting = serverOf("cutting");
  cutting.mode = "ok";
  cutting.pauseMs = 100;
  const stream = await client.chat.completions.create({
    ...ask("cutting", { messages: [{ role: "user", content: "x ".repeat(100).trim() }] }),
    stream: true,
  });
  let parts = 0;
  const heard = (async () => {
    for await (const _ of stream) parts++;
  })().catch(() => undefined);
  await expect.poll(() => parts).toBeGreaterThan(0);
  expect(await gateway.end("SIGTERM")).toBe(0);
  await heard;
  const last = installation.records().at(-1);
  expect(last?.header).toMatchObject({
    context: { endpoint: "cutting" },
    status: { kind: "error", reason: "serving.client_gone" },
    text: { streamed: true, estimated: true },
  });
});
