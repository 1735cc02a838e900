import { protoFields } from "@portolan/serving/policy";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TestGateway, TestInstallation } from "../../../apps/gateway/test/installation.ts";
import { pythonClient } from "../../../tools/python-client.ts";
import { clientSays, scored, startBehind, startForClients } from "../client-script.ts";

/** Triton's own Python clients, unmodified, against a gateway: what they send is binary, and they read little else. */
const python = await pythonClient("tritonclient");

describe.skipIf(python === undefined)("tritonclient of Python", () => {
  let installation: TestInstallation;
  let gateway: TestGateway;
  beforeAll(async () => {
    ({ installation, gateway } = await startForClients());
  });
  afterAll(() => installation.dispose());

  const said = (mode: string, address: string): Promise<Record<string, unknown>> =>
    clientSays(python ?? "", import.meta.dirname, [mode, address, installation.apiKey]);

  const both = {
    live: true,
    ready: true,
    model_ready: true,
    missing_ready: false,
    score: [[expect.closeTo(scored, 6)], [expect.closeTo(1 / (1 + Math.exp(-0.1)), 6)]],
    int64: ["4611686018427387905", "-9223372036854775808"],
    bytes: ["höhe", ""],
    fp16: [0.5, -2, 65504],
  };
  const index = ["echo", "half", "score", "text"].map((name) => ({ name, version: "1", state: "READY" }));

  test("HTTP: binary by default, every datatype, compression, statistics, the index, errors as text", async () => {
    const answers = await said("http", gateway.url.replace("http://", ""));
    expect(answers).toMatchObject({
      ...both,
      wrong_shape: { status: "400", message: expect.stringContaining("does not fit") as string },
      unknown: { status: "404", message: expect.stringContaining("unknown model") as string },
      nobody: { status: "401" },
      unload: { status: "403", message: expect.stringContaining("failed to unload") as string },
      metadata: { name: "score", versions: ["1"], inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }] },
      config: 1024,
      index,
      statistics: {
        rows: expect.any(Number) as number,
        blocks: [
          "cache_hit",
          "cache_miss",
          "compute_infer",
          "compute_input",
          "compute_output",
          "fail",
          "queue",
          "success",
        ],
      },
      gzip: [[expect.closeTo(scored, 6)]],
      deflate: [[expect.closeTo(scored, 6)]],
      long: 12_497_500,
      aio: 12_497_500,
    });
    expect((answers["statistics"] as { rows: number }).rows).toBeGreaterThanOrEqual(2);
  });

  test("gRPC: raw contents, metadata, statistics, the index, a stream that outlives a refusal", async () => {
    const answers = await said("grpc", gateway.grpcAddress);
    expect(answers).toMatchObject({
      ...both,
      wrong_shape: { status: "StatusCode.INVALID_ARGUMENT" },
      unknown: { status: "StatusCode.NOT_FOUND" },
      nobody: { status: "StatusCode.UNAUTHENTICATED" },
      unload: { status: "StatusCode.PERMISSION_DENIED" },
      metadata: { name: "score", versions: ["1"] },
      config: 1024,
      index,
      stream: [1, 2, true],
    });
  });

  test.each(["open-inference", "open-inference-grpc"] as const)(
    "through a second gateway that asks the first one by %s, both protocols say the same",
    async (protocol) => {
      const behind = await startBehind(gateway, installation.apiKey, protocol);
      try {
        const { apiKey } = behind.installation;
        for (const [mode, address] of [
          ["http", behind.gateway.url.replace("http://", "")],
          ["grpc", behind.gateway.grpcAddress],
        ] as const)
          expect(await clientSays(python ?? "", import.meta.dirname, [mode, address, apiKey])).toMatchObject(
            both,
          );
      } finally {
        behind.installation.dispose();
      }
    },
  );

  test("every field of our .proto has the number that the client's descriptors give it", async () => {
    const { fields, methods } = (await said("fields", "-")) as {
      fields: Record<string, Record<string, number>>;
      methods: string[];
    };
    const ours = protoFields();
    expect(Object.keys(ours).length).toBeGreaterThan(30);
    for (const [message, named] of Object.entries(ours))
      for (const [field, { id }] of Object.entries(named))
        expect([message, field, fields[message]?.[field]]).toEqual([message, field, id]);
    expect(methods).toEqual(expect.arrayContaining(["ModelInfer", "ModelStreamInfer", "RepositoryIndex"]));
  });
});
