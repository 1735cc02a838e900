import { logisticModel } from "@portolan/onnx-format/testing";
import { type MessageCodec, messages } from "@portolan/serving/policy";
import { afterAll, beforeAll, expect, test } from "vitest";
import { GrpcClient } from "../../apps/gateway/test/grpc-client.ts";
import type { TestGateway } from "../../apps/gateway/test/installation.ts";
import { TextInstallation } from "../../apps/gateway/test/text-installation.ts";
import { hostileJson, mangled, pick, saysHowToMend } from "./hostile-requests.ts";
import { fuzzSeed, randomOf } from "./random.ts";

/** What `gateway-fuzz` leaves out: OpenAI's protocol, and the questions of gRPC that are no inferences. */

const seed = fuzzSeed();
const secondsEach = Number(process.env["PORTOLAN_FUZZ_SECONDS"] ?? "6");
const lanes = 4;

let installation: TextInstallation;
let gateway: TestGateway;
beforeAll(async () => {
  installation = new TextInstallation();
  const limits = { ratePerSecond: 100_000, burst: 100_000, timeoutMs: 10_000, bodyBytes: 200_000 };
  await installation.addText("parrot-talk", { limits });
  installation.add("score", logisticModel([0.5, -0.25], 0.1), { limits });
  await installation.publish(1);
  gateway = await installation.start({ UPSTREAM_ALLOWED_HOSTS: "127.0.0.1" });
});
afterAll(() => installation.end());

async function forSeconds(once: () => Promise<void>): Promise<void> {
  const end = performance.now() + secondsEach * 1000;
  const lane = async (): Promise<void> => {
    while (performance.now() < end) await once();
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

const message = { role: "user", content: "good day sir" };
const bodies: readonly (readonly [string, object])[] = [
  ["/v1/chat/completions", { model: "parrot-talk", messages: [message], max_tokens: 5, temperature: 0.5 }],
  ["/v1/chat/completions", { model: "parrot-talk", messages: [message], stream: true, stop: ["."] }],
  ["/v1/completions", { model: "parrot-talk", prompt: "one two", n: 1 }],
  ["/v1/embeddings", { model: "parrot-talk", input: ["a", "bb"] }],
  ["/v1/chat/completions", { model: "score", messages: [message] }],
];

test(`OpenAI's protocol for ${secondsEach} s (seed ${seed}): an answer on the record, or a 4xx in its shape`, async () => {
  const random = randomOf(seed);
  const statuses = new Map<number, number>();
  const faults: string[] = [];
  await forSeconds(async () => {
    const [path, from] = pick(random, bodies as [(typeof bodies)[0], ...typeof bodies]);
    const body = hostileJson(random, from);
    const type = pick(random, [
      "application/json",
      "application/json",
      "text/plain",
      "application/json; charset=utf-16",
    ]);
    const response = await gateway.post(path, body, { "content-type": type });
    const text = await response.text();
    statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
    const told = (fault: string): void =>
      void faults.push(
        `${fault}: ${path} ${Buffer.from(body).toString("latin1").slice(0, 300)} → ${response.status} ${text.slice(0, 300)}`,
      );
    if (response.status === 200) {
      const isNamed = response.headers.has("x-portolan-prediction-id") || /: prediction prd_/.test(text);
      if (!isNamed) told("answered without a record");
    } else if (response.status < 400 || response.status > 499) told("no fault of the caller");
    else {
      const { error } = JSON.parse(text) as { error?: { message?: string; type?: string; code?: string } };
      if (!error?.message || !error.type || !error.code) told("a refusal in another shape");
    }
  });
  process.stdout.write(
    `OpenAI (seed ${seed}): ${JSON.stringify([...statuses].toSorted(([a], [b]) => a - b))}\n`,
  );
  expect(faults.slice(0, 5)).toEqual([]);
  expect(statuses.get(200) ?? 0).toBeGreaterThan(0);
  expect(statuses.get(400) ?? 0).toBeGreaterThan(0);
});

const strangeNames = ["score", "score", "", "missing", "\u0000", "constructor", "x".repeat(300)] as const;
const strangeVersions = ["", "1", "9", "-1", "x", "99999999999999999999"] as const;

test(`the other methods of gRPC for ${secondsEach} s (seed ${seed}): an answer, or the caller's fault with its mend`, async () => {
  const random = randomOf(seed + 1);
  const client = new GrpcClient(gateway.grpcAddress, installation.apiKey);
  const target = () =>
    messages.target.encode({ name: pick(random, strangeNames), version: pick(random, strangeVersions) });
  const repository = () =>
    messages.repository.encode({
      repository_name: "",
      model_name: pick(random, strangeNames),
      parameters: {},
    } as never);
  const methods: readonly (readonly [string, () => Uint8Array, MessageCodec<object>])[] = [
    ["ServerLive", () => new Uint8Array(), messages.live],
    ["ServerMetadata", () => new Uint8Array(), messages.serverMetadata],
    ["ModelReady", target, messages.ready],
    ["ModelMetadata", target, messages.modelMetadata],
    ["ModelConfig", target, messages.modelConfig],
    ["ModelStatistics", target, messages.statistics],
    [
      "RepositoryIndex",
      () => messages.indexRequest.encode({ repository_name: "", ready: true } as never),
      messages.index,
    ],
    ["RepositoryModelLoad", repository, messages.empty],
    ["RepositoryModelUnload", repository, messages.empty],
    ["NoSuchMethod", target, messages.empty],
  ];
  // INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION, UNIMPLEMENTED, RESOURCE_EXHAUSTED, PERMISSION_DENIED
  const callersFault = new Set([3, 5, 9, 12, 8, 7]);
  const codes = new Map<number, number>();
  const faults: string[] = [];
  await forSeconds(async () => {
    const [method, write, codec] = pick(random, methods as [(typeof methods)[0], ...typeof methods]);
    const plain = write();
    const bytes = random() < 0.5 ? mangled(random, plain) : plain;
    const { code, details } = await client.call(method, bytes, codec).then(
      () => ({ code: 0, details: "" }),
      (error: { code?: number; details?: string }) => ({
        code: error.code ?? -1,
        details: error.details ?? "",
      }),
    );
    codes.set(code, (codes.get(code) ?? 0) + 1);
    // UNIMPLEMENTED is the library's own word for a method that there is not.
    const isMended = code === 12 || saysHowToMend(details);
    if (code !== 0 && !(callersFault.has(code) && isMended))
      faults.push(`${method} ${code} ${details}: ${Buffer.from(bytes).toString("hex").slice(0, 200)}`);
  });
  client.close();
  process.stdout.write(`gRPC (seed ${seed}): ${JSON.stringify([...codes].toSorted(([a], [b]) => a - b))}\n`);
  expect(faults.slice(0, 5)).toEqual([]);
  expect(codes.get(0) ?? 0).toBeGreaterThan(0);
  expect(codes.get(3) ?? 0).toBeGreaterThan(0);
  expect(codes.get(5) ?? 0).toBeGreaterThan(0);
});

test("afterwards the gateway lives and serves both", async () => {
  expect(gateway.child.exitCode).toBeNull();
  const chat = { model: "parrot-talk", messages: [message] };
  expect((await gateway.post("/v1/chat/completions", JSON.stringify(chat))).status).toBe(200);
  const good = '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}';
  expect((await gateway.post("/v2/models/score/infer", good)).status).toBe(200);
  expect(await gateway.end("SIGTERM")).toBe(0);
});
