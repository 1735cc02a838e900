import { logisticModel } from "@portolan/onnx-format/testing";
import type { TextServer } from "@portolan/upstream/testing";
import OpenAI from "openai";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { TestGateway } from "./installation.ts";
import { TextInstallation } from "./text-installation.ts";

let installation: TextInstallation;
let gateway: TestGateway;
let server: TextServer;
let client: OpenAI;
beforeAll(async () => {
  installation = new TextInstallation();
  server = await installation.addText("parrot-talk");
  installation.add("score", logisticModel([0.5, -0.25], 0.1));
  await installation.publish(1);
  gateway = await installation.start({ UPSTREAM_ALLOWED_HOSTS: "127.0.0.1" });
  client = installation.client(gateway);
});
afterAll(() => installation.end());
beforeEach(() => {
  server.mode = "ok";
  server.reportsUsage = true;
  server.pauseMs = 0;
});

const ask = (content: string) => ({
  model: "parrot-talk",
  messages: [{ role: "user" as const, content }],
});

/** What came of a stream: its words, its last usage, and how it ended. */
async function hear(stream: AsyncIterable<OpenAI.ChatCompletionChunk>) {
  let text = "";
  let usage: unknown;
  let error: unknown;
  try {
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? "";
      usage = chunk.usage ?? usage;
    }
  } catch (thrown) {
    error = thrown;
  }
  return { text, usage, error };
}

describe("OpenAI's client, unmodified", () => {
  test("chats, completes and embeds", async () => {
    const { data: chat, response } = await client.chat.completions.create(ask("good day sir")).withResponse();
    expect(chat.choices[0]?.message.content).toBe("good day sir");
    expect(chat.usage).toMatchObject({ prompt_tokens: 13, completion_tokens: 3 });
    expect(response.headers.get("x-portolan-tier")).toBe("upstream");
    expect(response.headers.get("x-portolan-prediction-id")).toMatch(/^prd_/);
    expect(Number(response.headers.get("x-ratelimit-remaining-requests"))).toBeGreaterThan(0);
    expect(server.bodies.at(-1), "the upstream is asked by its own name").toMatchObject({ model: "parrot" });
    expect(server.authorizations.at(-1), "the caller's credential stays here").toBeUndefined();
    const completion = await client.completions.create({ model: "parrot-talk", prompt: "one two" });
    expect(completion.choices[0]?.text).toBe("one two");
    const embedding = await client.embeddings.create({ model: "parrot-talk", input: ["a", "bb"] });
    expect(embedding.data.map(({ embedding: [length] }) => length)).toEqual([1, 2]);
  });

  test("streams; the usage that was asked for here is seen by nobody who did not ask", async () => {
    const plain = await hear(await client.chat.completions.create({ ...ask("a b c d"), stream: true }));
    expect(plain).toEqual({ text: "a b c d", usage: undefined, error: undefined });
    expect(server.bodies.at(-1)).toMatchObject({ stream_options: { include_usage: true } });
    const asked = { ...ask("a b c d"), stream: true as const, stream_options: { include_usage: true } };
    const told = await hear(await client.chat.completions.create(asked));
    expect(told.usage).toMatchObject({ prompt_tokens: 14, completion_tokens: 4 });
  });

  test("hears each part when it comes, not at the end", async () => {
    server.pauseMs = 150;
    const stream = await client.chat.completions.create({ ...ask("a b c d e f"), stream: true });
    const start = performance.now();
    const at: number[] = [];
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content) at.push(performance.now() - start);
    expect((at.at(-1) ?? 0) - (at[0] ?? 0)).toBeGreaterThan(400);
  });

  test("lists the models that it may ask, text alone", async () => {
    expect((await client.models.list()).data.map(({ id }) => id)).toEqual(["parrot-talk"]);
    expect(await client.models.retrieve("parrot-talk")).toMatchObject({ id: "parrot-talk", object: "model" });
    expect(await (await gateway.get("/v1/models")).json()).toMatchObject({
      models: ["parrot-talk", "score"],
    });
  });

  test("a stream that it leaves is left at the upstream too", async () => {
    server.pauseMs = 50;
    const [left, written] = [server.left, server.written];
    const stream = await client.chat.completions.create({ ...ask("x ".repeat(200).trim()), stream: true });
    for await (const _ of stream) break;
    await expect.poll(() => server.left, { timeout: 5000 }).toBe(left + 1);
    expect(server.written - written).toBeLessThan(100);
  });
});

describe("what goes wrong", () => {
  test("bad requests say which parameter, in OpenAI's shape", async () => {
    const refusals: [unknown, string][] = [
      [{ model: "parrot-talk" }, "messages"],
      [{ ...ask("x"), messages: [] }, "messages"],
      [{ ...ask("x"), max_tokens: -1 }, "max_tokens"],
      [{ ...ask("x"), stream: "yes" }, "stream"],
      [{ messages: ask("x").messages }, "model"],
    ];
    for (const [body, param] of refusals) {
      const sent = client.chat.completions.create(body as OpenAI.ChatCompletionCreateParamsNonStreaming);
      await expect(sent).rejects.toMatchObject({ status: 400, type: "invalid_request_error", param });
    }
    for (const body of ["", "[]", "{", "\xff", '{"model":"parrot-talk","messages":[1]}'])
      expect((await gateway.post("/v1/chat/completions", Buffer.from(body, "latin1"))).status).toBe(400);
    await expect(client.chat.completions.create({ ...ask("x"), model: "nobody" })).rejects.toMatchObject({
      status: 404,
      code: "model_not_found",
    });
    const stranger = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: "sk-nobody", maxRetries: 0 });
    await expect(stranger.chat.completions.create(ask("x"))).rejects.toMatchObject({ status: 401 });
  });

  test("text and tensors do not take each other's requests", async () => {
    await expect(client.chat.completions.create({ ...ask("x"), model: "score" })).rejects.toMatchObject({
      status: 400,
      param: "model",
    });
    const tensors = '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}';
    const answer = await gateway.post("/v2/models/parrot-talk/infer", tensors);
    expect(answer.status).toBe(400);
    expect(await answer.text()).toContain("/v1/chat/completions");
  });

  test("what the upstream refuses is said in its words", async () => {
    server.mode = "refuse";
    await expect(client.chat.completions.create(ask("x"))).rejects.toMatchObject({
      status: 400,
      param: "temperature",
      message: expect.stringContaining("temperature must be at most 2"),
    });
  });

  test.each([
    ["cut", "a b"],
    ["broken", "a b"],
    ["failing", "a b c d"],
  ] as const)("a stream that is %s ends with an error, after what came", async (mode, text) => {
    server.mode = mode;
    const heard = await hear(await client.chat.completions.create({ ...ask("a b c d"), stream: true }));
    expect(heard.text).not.toBe("");
    expect(text.startsWith(heard.text.trim()), heard.text).toBe(true);
    expect(heard.error).toBeInstanceOf(OpenAI.APIError);
    // One failure in a row is none: the next request is answered.
    server.mode = "ok";
    expect((await client.chat.completions.create(ask("again"))).choices[0]?.message.content).toBe("again");
  });

  test("a stream that goes quiet ends when its time is over", async () => {
    server.mode = "quiet";
    const start = performance.now();
    const heard = await hear(await client.chat.completions.create({ ...ask("a b c"), stream: true }));
    expect(heard.error).toBeInstanceOf(OpenAI.APIError);
    expect(performance.now() - start).toBeLessThan(6000);
  });

  test("a server that says nothing costs the charter's time, and not more", async () => {
    server.mode = "silent";
    const start = performance.now();
    await expect(client.chat.completions.create(ask("x"))).rejects.toMatchObject({ status: 504 });
    expect(performance.now() - start).toBeLessThan(4000);
  });
});

test("every request is on the record, with prompt and answer, tokens, and how it ended", async () => {
  await client.chat.completions.create(ask("for the record"), {
    headers: { "x-portolan-subject": "customer-17" },
  });
  server.reportsUsage = false;
  await hear(await client.chat.completions.create({ ...ask("three plain words"), stream: true }));
  const metrics = await (await gateway.get("/metrics")).text();
  expect(metrics).toMatch(/portolan_gateway_tokens_total\{.*kind="completion",source="reported"\} \d+/);
  expect(metrics).toMatch(/portolan_gateway_tokens_total\{.*kind="completion",source="estimated"\} \d+/);
  await gateway.end("SIGTERM");
  const records = installation.records();
  expect(records.flatMap(({ payload }) => payload?.subject ?? [])).toEqual(["customer-17"]);
  const [whole, streamed] = records.slice(-2);
  expect(whole?.header).toMatchObject({
    status: { kind: "ok" },
    text: {
      operation: "chat",
      promptTokens: 13,
      completionTokens: 3,
      estimated: false,
      streamed: false,
      finishReason: "stop",
    },
  });
  expect(whole?.payload?.inputs?.bytes.toString()).toContain("for the record");
  expect(JSON.parse(String(whole?.payload?.outputs?.bytes))).toMatchObject({
    choices: [{ message: { content: "for the record" } }],
  });
  expect(streamed?.header).toMatchObject({
    status: { kind: "ok" },
    text: { estimated: true, streamed: true, finishReason: "stop" },
  });
  expect(streamed?.header.text?.completionTokens).toBeGreaterThanOrEqual(3);
  expect(streamed?.header.text?.firstTokenMicros).toBeGreaterThan(0);
  expect(streamed?.payload?.outputs?.mediaType).toBe("text/event-stream");
  const reasons = records.flatMap(({ header }) => ("reason" in header.status ? [header.status.reason] : []));
  expect(new Set(reasons)).toEqual(
    new Set([
      "serving.bad_request",
      "serving.endpoint_not_found",
      "serving.unauthenticated",
      "serving.client_gone",
      "serving.upstream_broke_off",
      "serving.model_failed",
      "serving.timeout",
    ]),
  );
});
