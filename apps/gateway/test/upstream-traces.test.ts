import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { TextServer } from "@portolan/upstream/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TestGateway } from "./installation.ts";
import { allowed, body, UpstreamInstallation } from "./upstream-installation.ts";

interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly status: { readonly code?: number; readonly message?: string };
}

/** Takes spans by OTLP over HTTP, as JSON. */
let collector: Server;
const spans: Span[] = [];
let installation: UpstreamInstallation;
let text: TextServer;
let silent: TestGateway;
let traced: TestGateway;

beforeAll(async () => {
  collector = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { resourceSpans } = JSON.parse(Buffer.concat(chunks).toString()) as {
        resourceSpans: { scopeSpans: { spans: Span[] }[] }[];
      };
      for (const { scopeSpans } of resourceSpans) for (const scope of scopeSpans) spans.push(...scope.spans);
      response.writeHead(200, { "content-type": "application/json" }).end("{}");
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
  installation = await UpstreamInstallation.open();
  text = await TextServer.start();
  installation.addUpstream("score", installation.elsewhere());
  const stated = {
    protocol: "openai",
    url: text.url,
    model: "parrot",
    region: "local",
    owner: "self",
  } as const;
  const found = { signature: { inputs: [], outputs: [] }, binaryTensors: false };
  installation.addUpstream("helper", installation.upstream("helper", 1, stated, found));
  await installation.publish(1);
  const { port } = collector.address() as AddressInfo;
  const collected = { TRACES_URL: `http://127.0.0.1:${port}/v1/traces`, TRACES_SAMPLE: "0" };
  [silent, traced] = await Promise.all([
    installation.start({ ...installation.another("silent"), ...allowed }),
    installation.start({ ...installation.another("traced"), ...allowed, ...collected }),
  ]);
});
afterAll(async () => {
  await installation.end();
  await text.close();
  collector.closeAllConnections();
  collector.close();
});

const parent = "b7ad6b7169203331";
const tracestate = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE";
const of = (traceId: string) => ({
  traceparent: `00-${traceId}-${parent}-01`,
  tracestate,
  baggage: "user=4711",
});
const chat = (stream: boolean) =>
  JSON.stringify({ model: "helper", messages: [{ role: "user", content: "hello there" }], stream });
const told = ({ traceparent, tracestate: state, baggage }: Record<string, unknown>) => ({
  traceparent,
  state,
  baggage,
});

async function ask(gateway: TestGateway, path: string, sent: string, headers: Record<string, string> = {}) {
  const answer = await gateway.post(path, sent, headers);
  await answer.arrayBuffer();
  return answer.status;
}

async function spansOf(traceId: string, count: number): Promise<Span[]> {
  const own = () => spans.filter((span) => span.traceId === traceId);
  await expect.poll(() => own().length, { timeout: 10_000 }).toBeGreaterThanOrEqual(count);
  return own();
}

test.each([
  ["tensors", "/v2/models/score/infer", body, "score"],
  ["text", "/v1/chat/completions", chat(false), "helper"],
  ["a stream of text", "/v1/chat/completions", chat(true), "helper"],
])(
  "%s: the server hears of a span that hangs below ours, of the caller's tracestate, and of no baggage",
  async (what, path, sent, endpoint) => {
    const traceId = Buffer.from(what.padEnd(16, ".").slice(0, 16)).toString("hex");
    expect(await ask(traced, path, sent, of(traceId))).toBe(200);
    const seen = endpoint === "score" ? installation.server.seen.at(-1)?.headers : text.headers.at(-1);
    const { traceparent, state, baggage } = told(seen ?? {});
    expect([state, baggage]).toEqual([tracestate, undefined]);
    const own = await spansOf(traceId, 3);
    const server = own.find(({ kind }) => kind === 2);
    const upstream = own.find(({ name }) => name === "upstream");
    expect(server).toMatchObject({ name: `infer ${endpoint}`, parentSpanId: parent });
    expect(upstream).toMatchObject({ kind: 3, parentSpanId: server?.spanId });
    expect(traceparent).toBe(`00-${traceId}-${upstream?.spanId}-01`);
    expect(
      own.map(({ name }) => name),
      "what another server answered is one span",
    ).not.toContain("run");
  },
);

test("an upstream that fails is a span with its reason, kept although nobody sampled it", async () => {
  installation.server.mode = "fail";
  const traceId = "c".repeat(32);
  const headers = { ...of(traceId), traceparent: `00-${traceId}-${parent}-00` };
  expect(await ask(traced, "/v2/models/score/infer", body, headers)).toBe(503);
  installation.server.mode = "ok";
  expect(told(installation.server.seen.at(-1)?.headers ?? {}).traceparent).toMatch(/-00$/);
  const own = await spansOf(traceId, 2);
  expect(own.find(({ name }) => name === "upstream")).toMatchObject({
    kind: 3,
    status: { code: 2, message: "unavailable" },
  });
});

test("a gateway that makes no spans passes the caller's context on as it came, and nothing where there is none", async () => {
  const traceId = "d".repeat(32);
  for (const [path, sent] of [
    ["/v2/models/score/infer", body],
    ["/v1/chat/completions", chat(true)],
  ] as const) {
    const seen = () =>
      told((path.startsWith("/v2") ? installation.server.seen.at(-1)?.headers : text.headers.at(-1)) ?? {});
    expect(await ask(silent, path, sent, of(traceId))).toBe(200);
    expect(seen()).toEqual({ traceparent: `00-${traceId}-${parent}-01`, state: tracestate });
    expect(await ask(silent, path, sent, { tracestate, baggage: "user=4711" })).toBe(200);
    expect(seen()).toEqual({});
  }
});

test("where no caller began a trace the gateway's own goes on, and a damaged tracestate does not", async () => {
  expect(await ask(traced, "/v2/models/score/infer", body, { tracestate })).toBe(200);
  const own = told(installation.server.seen.at(-1)?.headers ?? {});
  expect(own.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
  expect(own.state).toBeUndefined();
  const damaged = { ...of("e".repeat(32)), tracestate: "a=1,a=2" };
  expect(await ask(traced, "/v2/models/score/infer", body, damaged)).toBe(200);
  expect(told(installation.server.seen.at(-1)?.headers ?? {})).toMatchObject({
    traceparent: expect.stringContaining("e".repeat(32)) as string,
    state: undefined,
  });
});
