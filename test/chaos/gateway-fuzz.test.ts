import { Agent, request as httpRequest } from "node:http";
import { logisticModel } from "@portolan/onnx-format/testing";
import { messages } from "@portolan/serving/policy";
import { afterAll, beforeAll, expect, test } from "vitest";
import { GrpcClient } from "../../apps/gateway/test/grpc-client.ts";
import { type TestGateway, TestInstallation } from "../../apps/gateway/test/installation.ts";
import {
  type HostileRequest,
  hostileMessage,
  hostileRequest,
  pick,
  saysHowToMend,
} from "./hostile-requests.ts";
import { fuzzSeed, randomOf } from "./random.ts";

const seed = fuzzSeed();
/** Of each protocol. The seed says what is sent, the machine how much of it. */
const secondsEach = Number(process.env["PORTOLAN_FUZZ_SECONDS"] ?? "8");
const connections = 4;
/** A request that takes longer hangs: the model takes a millisecond. */
const patienceMs = 15_000;

let installation: TestInstallation;
let gateway: TestGateway;
beforeAll(async () => {
  installation = new TestInstallation();
  const limits = { ratePerSecond: 100_000, burst: 100_000, timeoutMs: 10_000, bodyBytes: 200_000 };
  installation.add("score", logisticModel([0.5, -0.25], 0.1), { limits });
  await installation.publish(1);
  gateway = await installation.start();
});
afterAll(() => installation.dispose());

interface Answered {
  readonly status: number;
  readonly id: string | undefined;
  readonly body: string;
}

const agent = new Agent({ keepAlive: true, maxSockets: connections });

/** Not `fetch`, which forbids what is sent here. */
function send({ path, body, headers }: HostileRequest): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(
      gateway.url + path,
      {
        method: "POST",
        agent,
        timeout: patienceMs,
        headers: {
          authorization: `Bearer ${installation.apiKey}`,
          "content-length": body.length,
          ...headers,
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const id = response.headers["x-portolan-prediction-id"];
          const status = response.statusCode ?? 0;
          resolve({ status, id: id?.toString(), body: Buffer.concat(chunks).toString() });
        });
      },
    );
    sent.on("timeout", () => sent.destroy(new Error("no answer in time")));
    sent.on("error", reject);
    sent.end(body);
  });
}

/** What is wrong with an answer to a request that may be anything; "" when nothing is. */
function faultOf({ status, id, body }: Answered): string {
  if (status === 200) return id === undefined ? "answered without a record" : "";
  if (status < 400 || status > 499) return `status ${status}`;
  const { error, code, mend } = JSON.parse(body) as { error?: string; code?: string; mend?: string };
  return error && code && mend && error.includes(mend) ? "" : "a refusal without a mend";
}

async function until<T>(seconds: number, once: () => Promise<T>): Promise<T[]> {
  const all: T[] = [];
  const end = performance.now() + seconds * 1000;
  const lane = async (): Promise<void> => {
    while (performance.now() < end) all.push(await once());
  };
  await Promise.all(Array.from({ length: connections }, lane));
  return all;
}

const refusals = { sent: 0, answered: new Set<string>() };

function shown(request: HostileRequest): string {
  return `${request.path} ${JSON.stringify(request.headers)} ${Buffer.from(request.body).toString("latin1").slice(0, 300)}`;
}

test(`REST for ${secondsEach} s (seed ${seed}): whatever comes is a prediction on the record, or a 4xx with its mend`, async () => {
  const random = randomOf(seed);
  const statuses = new Map<number, number>();
  const faults: string[] = [];
  const all = await until(secondsEach, async () => {
    const request = hostileRequest(random);
    const answer = await send(request);
    statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
    const fault = faultOf(answer);
    if (fault !== "") faults.push(`${fault}: ${shown(request)} → ${answer.body.slice(0, 300)}`);
    if (answer.status === 200 && answer.id) refusals.answered.add(answer.id);
    else refusals.sent++;
    return answer;
  });
  process.stdout.write(
    `${all.length} REST requests (seed ${seed}): ${JSON.stringify([...statuses].toSorted(([a], [b]) => a - b))}\n`,
  );
  expect(faults.slice(0, 5)).toEqual([]);
  expect(statuses.get(200) ?? 0).toBeGreaterThan(0);
  expect(statuses.get(400) ?? 0).toBeGreaterThan(0);
});

test(`gRPC for ${secondsEach} s (seed ${seed}): whatever comes is a prediction on the record, or the caller's fault with its mend`, async () => {
  const random = randomOf(seed + 1);
  const clients = Array.from(
    { length: connections },
    () => new GrpcClient(gateway.grpcAddress, installation.apiKey),
  );
  const statuses = new Map<number, number>();
  const faults: string[] = [];
  // INVALID_ARGUMENT, NOT_FOUND, RESOURCE_EXHAUSTED
  const callersFault = new Set([3, 5, 8]);
  const all = await until(secondsEach, async () => {
    const message = hostileMessage(random);
    const client = pick(random, clients as [GrpcClient, ...GrpcClient[]]);
    const answer = await client.call("ModelInfer", message, messages.inferResponse).then(
      ({ trailers }) => ({
        code: 0,
        details: "",
        id: trailers.get("x-portolan-prediction-id")[0]?.toString(),
      }),
      (error: { code: number; details: string }) => ({
        code: error.code,
        details: error.details,
        id: undefined,
      }),
    );
    statuses.set(answer.code, (statuses.get(answer.code) ?? 0) + 1);
    if (answer.id !== undefined) refusals.answered.add(answer.id);
    else refusals.sent++;
    const isFault =
      answer.code === 0
        ? answer.id === undefined
        : !callersFault.has(answer.code) || !saysHowToMend(answer.details);
    if (isFault)
      faults.push(`${answer.code} ${answer.details}: ${Buffer.from(message).toString("hex").slice(0, 300)}`);
    return answer;
  });
  for (const client of clients) client.close();
  process.stdout.write(
    `${all.length} gRPC calls (seed ${seed}): ${JSON.stringify([...statuses].toSorted(([a], [b]) => a - b))}\n`,
  );
  expect(faults.slice(0, 5)).toEqual([]);
  expect(statuses.get(0) ?? 0).toBeGreaterThan(0);
  expect(statuses.get(3) ?? 0).toBeGreaterThan(0);
});

test("afterwards the gateway lives, serves, and its log has each prediction and as many refusals as were answered", async () => {
  expect(gateway.child.exitCode).toBeNull();
  const good = '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}';
  expect((await gateway.post("/v2/models/score/infer", good)).status).toBe(200);
  expect(await gateway.end("SIGTERM")).toBe(0);
  const records = installation.records();
  const logged = new Set<string>(records.map(({ header }) => header.id));
  expect([...refusals.answered].filter((id) => !logged.has(id))).toEqual([]);
  const refused = records.reduce(
    (sum, { header }) => sum + (header.status.kind === "refused" ? header.status.count : 0),
    0,
  );
  expect(refused).toBe(refusals.sent);
});
