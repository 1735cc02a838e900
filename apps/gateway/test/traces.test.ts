import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { logisticModel, loopModel } from "@portolan/onnx-format/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { TestInstallation } from "./installation.ts";

interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[];
  readonly status: { readonly code?: number; readonly message?: string };
}

interface Export {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: Span["attributes"] };
    readonly scopeSpans: readonly { readonly spans: readonly Span[] }[];
  }[];
}

/** The wire's other end: keeps what is sent to it by OTLP over HTTP, as JSON. */
let collector: Server;
let received: Export[] = [];
let authorization: string | undefined;
let installation: TestInstallation;
beforeEach(async () => {
  received = [];
  installation = new TestInstallation();
  collector = createServer((request, response) => {
    authorization = request.headers.authorization;
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      received.push(JSON.parse(Buffer.concat(chunks).toString()) as Export);
      response.writeHead(200, { "content-type": "application/json" }).end("{}");
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
});
afterEach(async () => {
  installation.dispose();
  collector.closeAllConnections();
  await new Promise((resolve) => collector.close(resolve));
});

const spans = (): Span[] =>
  received.flatMap(({ resourceSpans }) =>
    resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((s) => s.spans)),
  );
const url = (): string => `http://127.0.0.1:${(collector.address() as AddressInfo).port}/v1/traces`;
const traceId = "0af7651916cd43dd8448eb211c80319c";
const parent = "b7ad6b7169203331";
const secret = "4417.25";
const body = `{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[${secret},2]}]}`;

test("a caller's trace goes on in one span per hop, faults are always kept, and nothing that was asked is in it", async () => {
  installation.add("score", logisticModel([0.5, -0.25], 0.1));
  const loop = loopModel(60_000n);
  installation.add("slow", loop, {
    model: installation.reference("slow", 1, loop, "imported"),
    limits: { ratePerSecond: 1e5, burst: 1e5, timeoutMs: 5, bodyBytes: 1000 },
    fallbacks: [{ kind: "fixed", outputs: { y: 0.5 } }],
  });
  await installation.publish(1);
  const gateway = await installation.start({
    TRACES_URL: url(),
    TRACES_TOKEN: "collector-secret",
    TRACES_SAMPLE: "0",
  });
  const path = "/v2/models/score/infer";
  await gateway.post(path, body, { traceparent: `00-${traceId}-${parent}-01` });
  // Neither this one, whose caller decided against it, nor the next, which chance decides against, is kept.
  await gateway.post(path, body, { traceparent: `00-${"1".repeat(32)}-${parent}-00` });
  await gateway.post(path, body);
  await gateway.post(
    "/v2/models/slow/infer",
    '{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1]}]}',
  );
  await gateway.end("SIGTERM");

  const own = spans().filter((span) => span.traceId === traceId);
  const server = own.find(({ name }) => name === "infer score");
  expect(server).toMatchObject({ parentSpanId: parent, kind: 2 });
  const hops = own.filter((span) => span.parentSpanId === server?.spanId);
  expect(hops.map(({ name }) => name).toSorted()).toEqual(["auth", "log", "queue", "run"]);
  for (const hop of hops) {
    expect(BigInt(hop.startTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(server?.startTimeUnixNano ?? 0));
    expect(BigInt(hop.endTimeUnixNano)).toBeLessThanOrEqual(BigInt(server?.endTimeUnixNano ?? 0));
  }
  const fallback = spans().filter(({ name }) => name === "infer slow");
  expect(fallback).toHaveLength(1);
  expect(fallback[0]?.attributes).toContainEqual({
    key: "portolan.fallback.answered_by",
    value: { stringValue: "fixed" },
  });
  const below = spans().filter(({ parentSpanId }) => parentSpanId === fallback[0]?.spanId);
  expect(below.map(({ name }) => name).toSorted()).toEqual(["auth", "fallback", "log"]);
  expect(new Set(spans().map((span) => span.traceId)).size).toBe(2);
  expect(JSON.stringify(received)).not.toContain(secret);
  expect(authorization).toBe("Bearer collector-secret");
});

test("features have a hop of their own, before the queue", async () => {
  const digest = `sha256:${"0".repeat(64)}`;
  const from = { kind: "feature" as const, view: "accounts@1", feature: "balance" };
  const features = {
    service: "s",
    entityKeys: ["account"],
    views: [{ name: "accounts@1", digest, entityKeys: ["account"] }],
    columns: [{ input: "x", index: 0, from, missing: 0 }],
    maxAgeMs: null,
  };
  installation.add("enriched", logisticModel([0.5], 0.1), { features });
  await installation.publish(1);
  const gateway = await installation.start({ TRACES_URL: url(), TRACES_SAMPLE: "1" });
  const account = `{"inputs":[{"name":"account","shape":[1],"datatype":"BYTES","data":["${secret}"]}]}`;
  expect((await gateway.post("/v2/models/enriched/infer", account)).status).toBe(200);
  await gateway.end("SIGTERM");
  const server = spans().find(({ name }) => name === "infer enriched");
  const hops = spans().filter(({ parentSpanId }) => parentSpanId === server?.spanId);
  expect(hops.map(({ name }) => name).toSorted()).toEqual(["auth", "features", "log", "queue", "run"]);
  const start = (name: string) => BigInt(hops.find((hop) => hop.name === name)?.startTimeUnixNano ?? 0);
  expect(start("features")).toBeLessThanOrEqual(start("queue"));
  expect(JSON.stringify(received)).not.toContain(secret);
});
