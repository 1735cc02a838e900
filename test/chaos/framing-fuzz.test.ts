import { type ClientHttp2Session, connect as connectHttp2, type IncomingHttpHeaders } from "node:http2";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { logisticModel } from "@portolan/onnx-format/testing";
import { messages } from "@portolan/serving/policy";
import { writeTestCertificate } from "@portolan/testkit/certificate";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GrpcClient } from "../../apps/gateway/test/grpc-client.ts";
import { type TestGateway, TestInstallation } from "../../apps/gateway/test/installation.ts";
import { type Fields, hostileHttp, hostileHttp2, hostileMessages, type Written } from "./hostile-frames.ts";
import { goodMessage, hostileMessage, type Random, saysHowToMend, whole } from "./hostile-requests.ts";
import { fuzzSeed, randomOf } from "./random.ts";

/** What `gateway-fuzz` sends well framed is sent here in frames that are not: lengths, chunks, HTTP/2's frames, gRPC's prefixes; in pieces, and late. */

const seed = fuzzSeed();
const secondsEach = Number(process.env["PORTOLAN_FUZZ_SECONDS"] ?? "2");
const lanes = 4;
/** A connection that is open for longer hangs. */
const patienceMs = 15_000;
/** A connection that says nothing for so long waits for the rest of a request that never comes. */
const silenceMs = 30;

let installation: TestInstallation;
let gateway: TestGateway;
let ca = "";
let port = 0;
let grpcPort = 0;
beforeAll(async () => {
  installation = new TestInstallation();
  const limits = { ratePerSecond: 100_000, burst: 100_000, timeoutMs: 10_000, bodyBytes: 200_000 };
  installation.add("score", logisticModel([0.5, -0.25], 0.1), { limits });
  await installation.publish(1);
  const { certFile, keyFile, certificatePem } = writeTestCertificate(installation.home);
  ca = certificatePem;
  gateway = await installation.start({ TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile });
  port = Number(new URL(gateway.url).port);
  grpcPort = Number(gateway.grpcAddress.split(":").at(-1));
});
afterAll(() => installation.dispose());

interface Exchange {
  readonly said: string;
  readonly hangs: boolean;
}

/** Writes all pieces on a connection of its own, some of them late, and resolves to what came back when it is closed; without `leave` by the gateway. */
function exchange(
  to: { readonly port: number; readonly protocol: "h2" | "http/1.1" },
  { pieces, leave }: { readonly pieces: Written["pieces"]; readonly leave?: Written["leave"] },
  random: Random,
): Promise<Exchange> {
  return new Promise((resolve) => {
    let said = "";
    let hangs = false;
    let silence: NodeJS.Timeout | undefined;
    const socket = connectTls({ host: "localhost", port: to.port, ca, ALPNProtocols: [to.protocol] });
    const late = setTimeout(() => {
      hangs = true;
      socket.destroy();
    }, patienceMs);
    socket.on("data", (chunk: Buffer) => {
      said += chunk.toString("latin1");
      silence?.refresh();
    });
    socket.on("error", () => undefined); // a reset is an end too
    socket.on("close", () => {
      clearTimeout(late);
      clearTimeout(silence);
      resolve({ said, hangs });
    });
    const write = async (): Promise<void> => {
      for (const piece of pieces) {
        if (socket.destroyed) return;
        socket.write(piece);
        await (random() < 0.2 ? sleep(whole(random, 20)) : nextTurn());
      }
      if (leave === "reset") socket.destroy();
      else if (leave === "end") silence = setTimeout(() => socket.end(), silenceMs);
    };
    socket.on("secureConnect", () => void write());
  });
}

const good = '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}';
const path = "/v2/models/score/infer";
const score = 1 / (1 + Math.exp(-0.1));

/** "" when a well-formed request on a new connection gets the right answer. */
async function faultAfterRest(random: Random): Promise<string> {
  const request = `POST ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer ${installation.apiKey}\r\ncontent-length: ${good.length}\r\n\r\n${good}`;
  const { said } = await exchange({ port, protocol: "http/1.1" }, { pieces: [Buffer.from(request)] }, random);
  const value = /"data":\[([\d.e-]+)\]/.exec(said)?.[1];
  return said.startsWith("HTTP/1.1 200") && Math.abs(Number(value) - score) < 1e-6 ? "" : `then ${said}`;
}

async function faultAfterGrpc(): Promise<string> {
  const client = new GrpcClient(`localhost:${grpcPort}`, installation.apiKey, { ca });
  try {
    const { message } = await client.call("ModelInfer", goodMessage, messages.inferResponse);
    const value = Buffer.from(message.raw_output_contents[0] ?? []);
    const given = value.length >= 4 ? value.readFloatLE(0) : message.outputs[0]?.contents?.fp32_contents?.[0];
    return Math.abs(Number(given) - score) < 1e-6 ? "" : `then ${JSON.stringify(message)}`;
  } catch (error) {
    return `then ${String(error)}`;
  } finally {
    client.close();
  }
}

/** Ids of predictions that were answered: each is on the record. */
const answered = new Set<string>();

/** Sends until the time is over; the faults that were seen, and how often each outcome was. */
async function fuzz(once: () => Promise<{ readonly outcomes: readonly string[]; readonly fault: string }>) {
  const outcomes = new Map<string, number>();
  const faults: string[] = [];
  const end = performance.now() + secondsEach * 1000;
  const lane = async (): Promise<void> => {
    while (performance.now() < end) {
      const seen = await once();
      for (const one of seen.outcomes) outcomes.set(one, (outcomes.get(one) ?? 0) + 1);
      if (seen.fault !== "") faults.push(seen.fault);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return { outcomes, faults: faults.slice(0, 5) };
}

function shown({ pieces, kind, leave }: Written): string {
  return `${kind}, ${leave}: ${pieces.map((piece) => JSON.stringify(Buffer.from(piece).toString("latin1").slice(0, 300))).join(" | ")}`;
}

function told(what: string, outcomes: ReadonlyMap<string, number>): void {
  process.stdout.write(`${what} (seed ${seed}): ${JSON.stringify(Object.fromEntries(outcomes))}\n`);
}

describe(`for ${secondsEach} s each (seed ${seed})`, () => {
  test("HTTP/1.1 whose lengths and chunks are wrong, late or cut off: a prediction or a 4xx with its mend; the next connection is served", async () => {
    const random = randomOf(seed);
    const { outcomes, faults } = await fuzz(async () => {
      const written = hostileHttp(random, installation.apiKey);
      const { said, hangs } = await exchange({ port, protocol: "http/1.1" }, written, random);
      for (const [, id = ""] of said.matchAll(/x-portolan-prediction-id: (prd_\w+)/gi)) answered.add(id);
      const answers = said.split(/(?=^HTTP\/1\.1 )/m).filter((text) => text !== "");
      const wrong = answers.find((text) => !/^HTTP\/1\.1 (200 |4\d\d .*"mend":")/s.test(text));
      const own = hangs ? "hangs" : wrong === undefined ? "" : `said ${wrong.slice(0, 500)}`;
      const fault = own || (await faultAfterRest(random));
      return {
        outcomes: answers.length === 0 ? ["nothing"] : answers.map((text) => text.slice(9, 12)),
        fault: fault && `${shown(written)} → ${fault}`,
      };
    });
    told("HTTP/1.1", outcomes);
    expect(faults).toEqual([]);
    expect(outcomes.get("200") ?? 0).toBeGreaterThan(0);
    expect(outcomes.get("400") ?? 0).toBeGreaterThan(0);
  });

  test.each(["REST", "gRPC"] as const)(
    "%s in HTTP/2's frames that do not belong: the connection ends or goes on, and the next one is served",
    async (over) => {
      const random = randomOf(seed + 1);
      const content = over === "REST" ? Buffer.from(good) : Buffer.concat([prefix(goodMessage), goodMessage]);
      const to = { port: over === "REST" ? port : grpcPort, protocol: "h2" as const };
      const { outcomes, faults } = await fuzz(async () => {
        const written = hostileHttp2(random, fieldsOf(over), content);
        const { said, hangs } = await exchange(to, written, random);
        const fault = hangs ? "hangs" : await (over === "REST" ? faultAfterRest(random) : faultAfterGrpc());
        return {
          outcomes: [said === "" ? "nothing" : "frames"],
          fault: fault && `${shown(written)} → ${fault}`,
        };
      });
      told(`HTTP/2, ${over}`, outcomes);
      expect(faults).toEqual([]);
      expect(outcomes.get("frames") ?? 0).toBeGreaterThan(0);
    },
  );

  test.each(["ModelInfer", "ModelStreamInfer"])(
    "%s in messages whose prefixes are wrong, missing, too many or cut off: an answer on the record, or the caller's fault with its mend",
    async (method) => {
      const random = randomOf(seed + 2);
      const { outcomes, faults } = await fuzz(async () => {
        const written = hostileMessages(random, random() < 0.5 ? goodMessage : hostileMessage(random));
        const ended = await grpcExchange(method, written, random);
        if (ended.id !== undefined) answered.add(ended.id);
        const fault = grpcFault(method, ended) || (await faultAfterGrpc());
        return { outcomes: [ended.status ?? "nothing"], fault: fault && `${shown(written)} → ${fault}` };
      });
      told(method, outcomes);
      expect(faults).toEqual([]);
      expect(outcomes.get("0") ?? 0).toBeGreaterThan(0);
      expect([...outcomes.keys()].some((status) => status !== "0" && status !== "nothing")).toBe(true);
    },
  );
});

function prefix(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return head;
}

function fieldsOf(over: "REST" | "gRPC"): Fields {
  const isRest = over === "REST";
  return [
    [":method", "POST"],
    [":scheme", "https"],
    [":path", isRest ? path : "/inference.GRPCInferenceService/ModelInfer"],
    [":authority", "localhost"],
    ["authorization", `Bearer ${installation.apiKey}`],
    ["content-type", isRest ? "application/json" : "application/grpc"],
    ["te", "trailers"],
  ];
}

interface GrpcEnded {
  /** Of the trailers; absent where the stream was reset. */
  readonly status: string | undefined;
  readonly details: string;
  /** The catalogue's code; absent where the library refused before the gateway saw a message. */
  readonly code: string | undefined;
  readonly id: string | undefined;
  /** Messages of the answer. */
  readonly given: readonly Uint8Array[];
  readonly left: boolean;
  readonly hangs: boolean;
}

/** One call in well-formed HTTP/2, whose bytes are as they are given. */
async function grpcExchange(method: string, { pieces, leave }: Written, random: Random): Promise<GrpcEnded> {
  const session: ClientHttp2Session = connectHttp2(`https://localhost:${grpcPort}`, { ca });
  session.on("error", () => undefined);
  const stream = session.request({
    ":method": "POST",
    ":path": `/inference.GRPCInferenceService/${method}`,
    authorization: `Bearer ${installation.apiKey}`,
    "content-type": "application/grpc",
    te: "trailers",
  });
  let trailers: IncomingHttpHeaders = {};
  let hangs = false;
  const take = (headers: IncomingHttpHeaders): void => void (trailers = { ...trailers, ...headers });
  const given: Buffer[] = [];
  stream
    .on("response", take)
    .on("trailers", take)
    .on("data", (chunk: Buffer) => given.push(chunk))
    .on("error", () => undefined);
  const closed = new Promise<void>((resolve) => stream.once("close", () => resolve()));
  const late = setTimeout(() => {
    hangs = true;
    session.destroy();
  }, patienceMs);
  for (const piece of pieces) {
    if (!stream.writable) break;
    stream.write(piece);
    await (random() < 0.2 ? sleep(whole(random, 20)) : nextTurn());
  }
  if (leave === "reset") stream.close(8);
  else stream.end();
  await closed;
  clearTimeout(late);
  session.destroy();
  const text = (name: string): string | undefined => trailers[name]?.toString();
  return {
    status: text("grpc-status"),
    details: decodeURIComponent(text("grpc-message") ?? ""),
    code: text("x-portolan-error-code"),
    id: text("x-portolan-prediction-id"),
    given: messagesIn(Buffer.concat(given)),
    left: leave === "reset",
    hangs,
  };
}

function messagesIn(bytes: Buffer): Uint8Array[] {
  const all: Uint8Array[] = [];
  for (let at = 0; at + 5 <= bytes.length; ) {
    const end = at + 5 + bytes.readUInt32BE(at + 1);
    all.push(bytes.subarray(at + 5, end));
    at = end;
  }
  return all;
}

/** INVALID_ARGUMENT, NOT_FOUND, RESOURCE_EXHAUSTED; and what the library says of prefixes: UNIMPLEMENTED, INTERNAL. */
const callersFault = new Set(["3", "5", "8"]);
const librarysWord = new Set(["8", "12", "13"]);

/** In a stream each refusal is a message, and the stream goes on. */
function streamFault(given: readonly Uint8Array[]): string {
  const refusals = given.map((bytes) => messages.streamResponse.decode(bytes).error_message ?? "");
  const wrong = refusals.find((text) => text !== "" && !saysHowToMend(text));
  return wrong === undefined ? "" : `a refusal without a mend: ${wrong}`;
}

function grpcFault(method: string, { status, details, code, id, given, left, hangs }: GrpcEnded): string {
  if (hangs) return "hangs";
  const inStream = method === "ModelInfer" ? "" : streamFault(given);
  if (inStream !== "") return inStream;
  if (status === undefined) return left ? "" : "ended without a status";
  if (status === "0") return method === "ModelInfer" && id === undefined ? "answered without a record" : "";
  if (code === undefined) return librarysWord.has(status) ? "" : `status ${status}: ${details}`;
  if (!callersFault.has(status)) return `status ${status} ${code}: ${details}`;
  return saysHowToMend(details) ? "" : `a refusal without a mend: ${details}`;
}

test("afterwards the gateway lives, and its log has each prediction that was answered", async () => {
  expect(gateway.child.exitCode).toBeNull();
  expect(await faultAfterRest(randomOf(seed))).toBe("");
  expect(await faultAfterGrpc()).toBe("");
  expect(await gateway.end("SIGTERM")).toBe(0);
  const logged = new Set<string>(installation.records().map(({ header }) => header.id));
  expect(answered.size).toBeGreaterThan(0);
  expect([...answered].filter((id) => !logged.has(id))).toEqual([]);
});
