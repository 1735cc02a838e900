import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { logisticModel } from "@portolan/onnx-format/testing";
import { messages } from "@portolan/serving/policy";
import { afterAll, beforeAll, expect, test } from "vitest";
import { GrpcClient } from "../../apps/gateway/test/grpc-client.ts";
import { type TestGateway, TestInstallation } from "../../apps/gateway/test/installation.ts";

/** Clients that hold on to the gateway, or fill it, instead of asking it something. */
const bodyBytes = 200_000;
const mebibyte = 2 ** 20;

let installation: TestInstallation;
let gateway: TestGateway;
let port = 0;
beforeAll(async () => {
  installation = new TestInstallation();
  const limits = { ratePerSecond: 100_000, burst: 100_000, timeoutMs: 10_000, bodyBytes };
  installation.add("score", logisticModel([0.5, -0.25], 0.1), { limits });
  await installation.publish(1);
  gateway = await installation.start();
  port = Number(new URL(gateway.url).port);
});
afterAll(() => installation.dispose());

const good = '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}';

async function serves(): Promise<void> {
  const startedAt = performance.now();
  const response = await gateway.post("/v2/models/score/infer", good);
  expect([response.status, performance.now() - startedAt < 5000]).toEqual([200, true]);
}

function residentMebibytes(): number {
  const status = readFileSync(`/proc/${gateway.child.pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}

interface Ended {
  readonly said: string;
  readonly seconds: number;
}

/** Opens a connection, lets `write` use it, and resolves to what came back when the gateway has closed it. */
function connection(write: (socket: Socket) => void): Promise<Ended> {
  const startedAt = performance.now();
  return new Promise((resolve) => {
    let said = "";
    const socket = connect(port, "127.0.0.1", () => write(socket));
    socket.on("data", (chunk: Buffer) => (said += chunk.toString("latin1")));
    socket.on("error", () => undefined); // a reset is an end too
    socket.on("close", () => resolve({ said, seconds: (performance.now() - startedAt) / 1000 }));
  });
}

/** One byte of `text` after the other, and never the last one. */
function drip(text: string, everyMs: number): (socket: Socket) => void {
  return (socket) => {
    let at = 0;
    const timer = setInterval(() => {
      if (at < text.length - 1) socket.write(text[at++] ?? "");
    }, everyMs);
    socket.once("close", () => clearInterval(timer));
  };
}

function head(more: string): string {
  return `POST /v2/models/score/infer HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${installation.apiKey}\r\n${more}\r\n`;
}

const stated = (said: string): string => said.slice(9, 12);

test("bytes that are no request, and two ways to say how long a body is, are refused with the mend and cost the connection", async () => {
  const cases: [string, string][] = [
    ["NOT HTTP AT ALL\r\n\r\n", "400"],
    ["GET / HTTP/9.9\r\n\r\n", "400"],
    ["GET /healthz HTTP/1.1\r\n\r\n", "400"], // no host
    [head("content-length: 5\r\ntransfer-encoding: chunked\r\n") + "0\r\n\r\n", "400"],
    [head("content-length: 5\r\ncontent-length: 6\r\n") + "hello", "400"],
    [head("content-length: -1\r\n"), "400"],
    [head("transfer-encoding: chunked\r\n") + "zz\r\n", "400"],
    [head(`x-long: ${"x".repeat(20_000)}\r\n`), "431"],
    [head("x: y\r\n".repeat(5000)), "431"],
  ];
  for (const [text, status] of cases) {
    const { said } = await connection((socket) => {
      socket.write(text);
      setTimeout(() => socket.end(), 500);
    });
    expect([text.slice(0, 60), stated(said)]).toEqual([text.slice(0, 60), status]);
  }
  const { said } = await connection((socket) => socket.write(head(`x-long: ${"x".repeat(20_000)}\r\n`)));
  expect(said).toContain("Send fewer and shorter headers.");
  await serves();
});

test("a body of 100 MB is refused as soon as it is known to be too large, stated or not, and takes no memory", async () => {
  await serves();
  const before = residentMebibytes();
  const chunk = Buffer.alloc(mebibyte, 0x20);
  const pour = (socket: Socket, framed: boolean): void => {
    let left = 100;
    const more = (): void => {
      while (left > 0 && !socket.destroyed) {
        left--;
        if (framed) socket.write(`${chunk.length.toString(16)}\r\n`);
        const isRoom = socket.write(chunk);
        if (framed) socket.write("\r\n");
        if (!isRoom) return void socket.once("drain", more);
      }
    };
    more();
  };
  const all = await Promise.all([
    ...Array.from({ length: 4 }, () =>
      connection((socket) => {
        socket.write(head(`content-length: ${100 * mebibyte}\r\n`));
        pour(socket, false);
      }),
    ),
    ...Array.from({ length: 4 }, () =>
      connection((socket) => {
        socket.write(head("transfer-encoding: chunked\r\n"));
        pour(socket, true);
      }),
    ),
  ]);
  for (const { said, seconds } of all) {
    expect(stated(said)).toBe("413");
    expect(said).toContain("Send fewer rows at a time.");
    expect(seconds).toBeLessThan(10);
  }
  await serves();
  expect(residentMebibytes() - before).toBeLessThan(200); // of 800 that came: what collections have not taken yet
});

test("300 slow senders of headers and 50 of bodies are ended in time, and delay nobody", async () => {
  const slowHeads = Array.from({ length: 300 }, () => connection(drip(head("content-length: 5\r\n"), 500)));
  const slowBodies = Array.from({ length: 50 }, () =>
    connection((socket) => {
      socket.write(head(`content-length: ${good.length}\r\n`));
      drip(good, 1000)(socket);
    }),
  );
  for (let second = 0; second < 5; second++) {
    await serves();
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  for (const { said, seconds } of await Promise.all(slowHeads)) {
    expect(["408", ""]).toContain(stated(said));
    expect(seconds).toBeLessThan(20); // 10 s and the look every two, on a busy machine
  }
  for (const { said, seconds } of await Promise.all(slowBodies)) {
    expect(["408", "400", ""]).toContain(stated(said));
    expect(seconds).toBeLessThan(45); // 30 s and the look every two
  }
  await serves();
});

test("a gRPC message beyond the endpoint's limit, or beyond the protocol's, is refused and the connection's others are not", async () => {
  const client = new GrpcClient(gateway.grpcAddress, installation.apiKey);
  const call = (bytes: number): Promise<number> => {
    const input = { name: "x", datatype: "FP32", shape: [bytes / 8, 2] };
    const message = messages.inferRequest.encode({
      model_name: "score",
      model_version: "",
      id: "",
      parameters: {},
      inputs: [input as never],
      outputs: [],
      raw_input_contents: [new Uint8Array(bytes)],
    });
    return client.call("ModelInfer", message, messages.inferResponse).then(
      () => 0,
      (error: { code: number }) => error.code,
    );
  };
  const answers = await Promise.all([call(8), call(2 * bodyBytes), call(80 * mebibyte), call(8)]);
  client.close();
  expect(answers).toEqual([0, 8, 8, 0]);
  await serves();
});
