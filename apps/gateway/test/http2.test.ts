import { type ClientHttp2Session, connect as connectHttp2, constants } from "node:http2";
import { request } from "node:https";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { logisticModel } from "@portolan/onnx-format/testing";
import { writeTestCertificate } from "@portolan/testkit/certificate";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestGateway, TestInstallation } from "./installation.ts";

let installation: TestInstallation;
let gateway: TestGateway;
let port = 0;
let ca = "";
beforeAll(async () => {
  installation = new TestInstallation();
  const limits = { ratePerSecond: 100_000, burst: 100_000, timeoutMs: 10_000, bodyBytes: 100_000 };
  installation.add("score", logisticModel([0.5, -0.25], 0.1), { limits });
  await installation.publish(1);
  const { certFile, keyFile, certificatePem } = writeTestCertificate(installation.home);
  ca = certificatePem;
  gateway = await installation.start({ TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile });
  port = Number(new URL(gateway.url).port);
});
afterAll(() => installation.dispose());

const body = '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}';
const path = "/v2/models/score/infer";

/** One connection; what happens to it is the test's to look at. */
function open(): ClientHttp2Session {
  const session = connectHttp2(`https://localhost:${port}`, { ca });
  session.on("error", () => undefined);
  return session;
}

interface Answered {
  readonly status: number;
  readonly id: string | undefined;
  readonly text: string;
  /** Of the stream's end. */
  readonly rst: number;
}

/** `send` writes the body; by default the good one, at once. */
function ask(
  session: ClientHttp2Session,
  headers: Readonly<Record<string, string>> = {},
  send: (stream: ReturnType<ClientHttp2Session["request"]>) => void = (stream) => stream.end(body),
): Promise<Answered> {
  return new Promise((resolve) => {
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      authorization: `Bearer ${installation.apiKey}`,
      ...headers,
    });
    let status = 0;
    let text = "";
    let id: string | undefined;
    stream.on("response", (given) => {
      status = given[":status"] ?? 0;
      id = given["x-portolan-prediction-id"]?.toString();
    });
    stream.on("data", (chunk: Buffer) => (text += chunk.toString()));
    stream.on("error", () => undefined);
    stream.on("close", () => resolve({ status, id, text, rst: stream.rstCode ?? 0 }));
    send(stream);
  });
}

async function serves(): Promise<void> {
  const session = open();
  expect((await ask(session)).status).toBe(200);
  session.close();
}

const closed = (session: ClientHttp2Session): Promise<void> =>
  new Promise((resolve) => (session.destroyed ? resolve() : session.once("close", resolve)));

describe("what the handshake agrees on", () => {
  test("HTTP/2: many predictions at once on one connection, each on the record", async () => {
    const session = open();
    const answers = await Promise.all(Array.from({ length: 100 }, () => ask(session)));
    expect(session.alpnProtocol).toBe("h2");
    for (const { status, text } of answers) {
      expect(status).toBe(200);
      expect((JSON.parse(text) as { outputs: { data: number[] }[] }).outputs[0]?.data[0]).toBeCloseTo(
        1 / (1 + Math.exp(-0.1)),
        6,
      );
    }
    expect(new Set(answers.map(({ id }) => id)).size).toBe(100);
    session.close();
  });

  test("HTTP/1.1, for clients that offer nothing else or nothing at all", async () => {
    for (const ALPNProtocols of [["http/1.1"], undefined]) {
      const status = await new Promise((resolve, reject) => {
        const options = {
          port,
          host: "localhost",
          path: "/healthz",
          ca,
          ...(ALPNProtocols ? { ALPNProtocols } : {}),
        };
        request(options, (response) => {
          response.resume();
          resolve([response.statusCode, response.httpVersion]);
        })
          .on("error", reject)
          .end();
      });
      expect(status).toEqual([200, "1.1"]);
    }
  });
});

describe("what HTTP/1.1 forbids though it can be parsed", () => {
  const said = (headers: readonly string[]): Promise<string> =>
    new Promise((resolve) => {
      let text = "";
      const socket = connectTls({ host: "localhost", port, ca });
      socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
      socket.on("close", () => resolve(text));
      const common = [`POST ${path} HTTP/1.1`, `authorization: Bearer ${installation.apiKey}`];
      const lines = [...common, ...headers, `content-length: ${body.length}`];
      socket.write(`${lines.join("\r\n")}\r\n\r\n${body}`);
    });

  test.each([
    ["no Host header", [], 400, "Host"],
    ["an expectation of its own", ["host: x", "expect: the-moon"], 417, "Expect"],
  ] as const)(
    "%s: a problem document that says how to mend it, once, and the end",
    async (_name, headers, status, word) => {
      const [head = "", document = ""] = (await said(headers)).split("\r\n\r\n");
      expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      expect(head.match(/^connection: close$/gim)).toHaveLength(1);
      expect(JSON.parse(document)).toMatchObject({ status, mend: expect.stringContaining(word) });
      await serves();
    },
  );
});

describe("limits", () => {
  test.each([
    ["that is stated", { "content-length": "100000000" }, 5],
    ["that is not stated", {}, 20],
  ] as const)(
    "a body beyond the endpoint's limit, %s, is refused at once, and costs its stream alone",
    async (_name, headers, chunks) => {
      const session = open();
      const refused = await ask(session, headers, (stream) => {
        for (let i = 0; i < chunks; i++) stream.write(Buffer.alloc(10_000));
      });
      expect(refused).toMatchObject({ status: 413, rst: constants.NGHTTP2_NO_ERROR });
      expect((await ask(session)).status).toBe(200);
      session.close();
    },
  );

  test("an expectation that nobody here fulfils is refused with its mend, and costs its stream alone", async () => {
    const session = open();
    const { status, text } = await ask(session, { expect: "the-moon" });
    expect({ status, mend: (JSON.parse(text) as { mend: string }).mend }).toEqual({
      status: 417,
      mend: "Send Expect: 100-continue, or no Expect header.",
    });
    expect((await ask(session)).status).toBe(200);
    session.close();
  });

  test("headers beyond 16 KiB, or more than a hundred, reach no model", async () => {
    const session = open();
    const long = await ask(session, { "x-long": "x".repeat(20_000) });
    const many = await ask(
      session,
      Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`x-${index}`, "1"])),
    );
    for (const { status } of [long, many]) expect([0, 431]).toContain(status);
    session.destroy();
    await serves();
  });
});

const frames = { headers: 1, reset: 3, settings: 4, ping: 6, continuation: 9 } as const;

function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A connection on which the test writes frames itself; resolves to the seconds after which the gateway ended it. */
function raw(write: (socket: TLSSocket) => void): Promise<number> {
  const startedAt = performance.now();
  return new Promise((resolve) => {
    const socket = connectTls({ port, host: "localhost", ca, ALPNProtocols: ["h2"] }, () => {
      socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
      socket.write(frame(frames.settings, 0, 0, new Uint8Array()));
      write(socket);
    });
    socket.resume();
    socket.on("error", () => undefined);
    socket.on("close", () => resolve((performance.now() - startedAt) / 1000));
  });
}

/** Writes until the other side hangs up. */
function flood(socket: TLSSocket, chunk: Buffer): void {
  const more = (): void => {
    while (!socket.destroyed) if (!socket.write(chunk)) return void socket.once("drain", more);
  };
  more();
}

describe("floods end the connection within seconds, and the gateway goes on", () => {
  const method = Buffer.from([0x83]); // :method POST, of the static table
  test("streams that are opened and reset", async () => {
    // :method POST, :scheme https, :path /, of the static table: a whole request, cancelled at once.
    const request = Buffer.from([0x83, 0x87, 0x84]);
    const cancel = Buffer.from([0, 0, 0, constants.NGHTTP2_CANCEL]);
    const seconds = await raw((socket) => {
      const pairs = Array.from({ length: 20_000 }, (_, index) => [
        frame(frames.headers, 4, 2 * index + 1, request),
        frame(frames.reset, 0, 2 * index + 1, cancel),
      ]);
      socket.write(Buffer.concat(pairs.flat()));
    });
    expect(seconds).toBeLessThan(10);
    await serves();
  });

  test.each([
    [
      "CONTINUATION without end",
      [frame(frames.headers, 0, 1, method), frame(frames.continuation, 0, 1, method)],
    ],
    ["SETTINGS", [undefined, frame(frames.settings, 0, 0, Buffer.from([0, 4, 0, 0, 255, 255]))]],
    ["PING that nobody reads the answers of", [undefined, frame(frames.ping, 0, 0, new Uint8Array(8))]],
    ["frames that make no sense", [undefined, frame(frames.continuation, 4, 7, method)]],
  ] as const)("%s", async (_name, [first, repeated]) => {
    const chunk = Buffer.concat(Array.from({ length: 1000 }, () => repeated));
    const ended = raw((socket) => {
      if (first) socket.write(first);
      socket.pause();
      flood(socket, chunk);
      setTimeout(() => socket.resume(), 1000);
    });
    await serves();
    const seconds = await Promise.race([
      ended,
      new Promise<number>((resolve) => setTimeout(() => resolve(Number.POSITIVE_INFINITY), 20_000)),
    ]);
    expect(seconds).toBeLessThan(15);
    await serves();
  });
});

test("slow ones: a connection without a request, headers that never end, a body that drips", async () => {
  const session = open();
  const drip = ask(session, {}, (stream) => {
    const timer = setInterval(() => stream.write(" "), 1000);
    stream.once("close", () => clearInterval(timer));
  });
  const [silent, dripping] = [
    raw(() => undefined),
    raw((socket) => {
      const header = frame(frames.headers, 0, 1, Buffer.alloc(16_000));
      let at = 0;
      const timer = setInterval(() => socket.write(header.subarray(at, ++at)), 500);
      socket.once("close", () => clearInterval(timer));
    }),
  ];
  for (const seconds of await Promise.all([silent, dripping])) {
    expect(seconds).toBeGreaterThan(8);
    expect(seconds).toBeLessThan(20);
  }
  const startedAt = performance.now();
  expect([0, 400]).toContain((await drip).status);
  expect(performance.now() - startedAt).toBeLessThan(35_000);
  expect((await ask(session)).status).toBe(200);
  session.close();
});

test("at shutdown open requests are answered, and the connection ends", async () => {
  const session = open();
  const late = ask(session, {}, (stream) => void setTimeout(() => stream.end(body), 500));
  await ask(session);
  const startedAt = performance.now();
  const exit = gateway.end("SIGTERM");
  expect([200, 503]).toContain((await late).status);
  await closed(session);
  expect(await exit).toBe(0);
  // All that was reset, refused or given up above counts as ended: nothing is waited for until the limit.
  expect(performance.now() - startedAt).toBeLessThan(8000);
});
