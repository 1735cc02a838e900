import type { TextServer } from "@portolan/upstream/testing";
import type OpenAI from "openai";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { TestGateway } from "./installation.ts";
import { TextInstallation } from "./text-installation.ts";

const limits = { ratePerSecond: 1000, burst: 1000, timeoutMs: 1000, bodyBytes: 10_000 };
let installation: TextInstallation;
let gateway: TestGateway;
let client: OpenAI;
let champion: TextServer;
let shadow: TextServer;
beforeAll(async () => {
  installation = new TextInstallation();
  const trial = await installation.textVersion("trial", 2);
  const prompted = await installation.textVersion("prompted", 3, {
    system: "Be brief.",
    template: "Flight {{flight}}:",
  });
  shadow = trial.server;
  const shown = (name: string, model: typeof trial.model) =>
    ({ name, kind: "shadow", model, features: null, sample: 1 }) as const;
  champion = await installation.addText("helper", {
    limits: { ...limits, clientShare: 1, tokens: { perSecond: 0.001, burst: 100_000 } },
    variants: [shown("trial", trial.model)],
  });
  await installation.addText("templated", { limits, variants: [shown("prompted", prompted.model)] });
  await installation.publish(1);
  gateway = await installation.start({ UPSTREAM_ALLOWED_HOSTS: "127.0.0.1" });
  client = installation.client(gateway);
});
afterAll(() => installation.end());
beforeEach(() => {
  shadow.mode = "ok";
  shadow.says = (message) => `shadow of ${message}`;
});

const ask = (content: string, model = "helper") => ({
  model,
  messages: [{ role: "user" as const, content }],
});

async function hear(content: string): Promise<string> {
  const stream = await client.chat.completions.create({ ...ask(content), stream: true });
  let text = "";
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
  return text;
}

const page = async () => (await gateway.get("/metrics")).text();

/** What the metrics have counted under a name, of the labels that the pattern finds. */
async function counted(name: string, labels: string): Promise<number> {
  const found = new RegExp(`^${name}\\{[^}]*${labels}[^}]*\\} (\\S+)`, "m").exec(await page());
  return Number(found?.[1] ?? 0);
}
const copies = (outcome: string) => counted("portolan_gateway_shadow_requests_total", `outcome="${outcome}"`);

test("a shadow sees what was answered, whole and streamed; its callers see the champion, and pay for the champion alone", async () => {
  const left = async () => {
    const { data, response } = await client.chat.completions.create(ask("good day")).withResponse();
    expect(data.choices[0]?.message.content).toBe("good day");
    return Number(response.headers.get("x-ratelimit-remaining-tokens"));
  };
  const before = await left();
  await expect.poll(() => copies("ok")).toBe(1);
  const reserved = before - (await left());
  // 12 of the first prompt and 2 of its answer, as the champion's server counted; the reservation of either is the same.
  expect(reserved).toBe(14);
  expect(await hear("a b c")).toBe("a b c");
  const embedded = await client.embeddings.create({ model: "helper", input: ["a", "bb"] });
  expect(embedded.data).toHaveLength(2);
  await expect.poll(() => copies("ok")).toBe(4);
  expect(shadow.bodies.map((body) => [body["stream"] ?? false, body["model"]])).toEqual(
    [false, false, true, false].map((isStream) => [isStream, "parrot"]),
  );
  // "shadow of good day" twice, "shadow of a b c" once: 4, 4 and 5 words, and 10 more of each prompt; two of the embedding.
  const tokens = (kind: string) =>
    counted("portolan_gateway_shadow_tokens_total", `source="reported",kind="${kind}"`);
  expect([await tokens("prompt"), await tokens("completion")]).toEqual([14 + 14 + 15 + 2, 4 + 4 + 5]);
  expect(await counted("portolan_gateway_shadow_run_seconds_total", 'model="trial/2"')).toBeGreaterThan(0);
});

test("nobody waits for a shadow that is silent, and nobody hears of one that refuses, fails or breaks off", async () => {
  shadow.mode = "silent";
  const startMs = performance.now();
  for (const text of ["one", "two"])
    expect((await client.chat.completions.create(ask(text))).choices[0]?.message.content).toBe(text);
  expect(performance.now() - startMs, "less than one of the two times that the shadow has").toBeLessThan(
    1000,
  );
  await expect.poll(() => copies("timeout"), { timeout: 5000 }).toBe(2);
  for (const [mode, outcome] of [
    ["refuse", "refused"],
    ["busy", "overloaded"],
    ["cut", "unavailable"],
    ["failing", "failed"],
  ] as const) {
    shadow.mode = mode;
    expect(await hear(`${mode} it is`)).toBe(`${mode} it is`);
    await expect.poll(() => copies(outcome), { timeout: 5000 }).toBe(1);
    // An answer in between, so that no circuit opens here.
    shadow.mode = "ok";
    const answered = await copies("ok");
    await hear("well again");
    await expect.poll(() => copies("ok")).toBe(answered + 1);
  }
});

test("a shadow whose prompt wants what requests do not have is on the record as one that takes none of them", async () => {
  const said = await client.chat.completions.create(ask("hello", "templated"));
  expect(said.choices[0]?.message.content).toBe("hello");
  await expect
    .poll(() => counted("portolan_gateway_shadow_requests_total", 'endpoint="templated".*outcome="refused"'))
    .toBe(1);
});

test("a shadow that fails again and again is left alone by its circuit", async () => {
  shadow.mode = "fail";
  const asked = shadow.bodies.length;
  await expect
    .poll(
      async () => {
        expect(await hear("still here")).toBe("still here");
        return copies("breaker_open");
      },
      { timeout: 10_000 },
    )
    .toBeGreaterThan(2);
  expect(shadow.bodies.length - asked).toBeLessThanOrEqual(5);
  expect(champion.mode).toBe("ok");
});

test("every copy that was asked has a record of its own, under its request's id, with tokens and what was said", async () => {
  await gateway.end("SIGTERM");
  const records = installation.records();
  const shown = records.filter(({ header }) => header.context.variant === "shadow");
  const callers = new Map(
    records
      .filter(({ header }) => header.context.variant === "champion")
      .map((one) => [one.header.requestId, one]),
  );
  for (const { header } of shown) {
    expect(callers.get(header.requestId)?.header.status.kind).toBe("ok");
    expect(header.bytes).toEqual({ in: 0, out: 0 });
  }
  const [first] = shown;
  expect(first?.header).toMatchObject({
    context: { endpoint: "helper", model: { name: "trial", version: "2" } },
    status: { kind: "ok" },
    text: { operation: "chat", promptTokens: 14, completionTokens: 4, estimated: false, streamed: false },
  });
  expect(first?.payload?.inputs?.bytes.toString()).toContain("good day");
  expect(String(first?.payload?.outputs?.bytes)).toContain("shadow of good day");
  const streamed = shown.find(({ header }) => header.text?.streamed === true);
  expect(streamed?.header.text?.firstTokenMicros).toBeGreaterThan(0);
  expect(String(streamed?.payload?.outputs?.bytes)).toContain("data: ");
  const reasons = shown.flatMap(({ header: { status } }) => (status.kind === "error" ? [status.reason] : []));
  expect(new Set(reasons)).toEqual(
    new Set(["timeout", "refused", "overloaded", "unavailable", "failed"].map((why) => `shadow ${why}`)),
  );
  // What was said before it broke off was paid for: nine characters, estimated at four a token.
  const cut = shown.filter(
    ({ header: { status, text } }) =>
      status.kind === "error" && status.reason === "shadow unavailable" && text !== undefined,
  );
  expect(cut.map(({ header }) => header.text)).toEqual([
    expect.objectContaining({ completionTokens: 3, estimated: true, streamed: true }),
  ]);
});
