import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TestGateway, TestInstallation } from "../../../apps/gateway/test/installation.ts";
import { pythonClient } from "../../../tools/python-client.ts";
import { clientSays, scored, startForClients } from "../client-script.ts";

/** KServe's own Python clients, unmodified, against a gateway. */
const python = await pythonClient("kserve");

const close = (value: number) => expect.closeTo(value, 6) as number;

describe.skipIf(python === undefined)("the Python SDK of KServe", () => {
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
    binary: ["r9", "score", [[close(scored)], [close(scored)]]],
    typed: ["r9", "score", [[close(scored)], [close(scored)]]],
    int64: ["4611686018427387905", "-9223372036854775808"],
    fp16: [0.5, -2, 65504],
    bytes: ["höhe", ""],
  };
  const wrongShape = expect.stringContaining("does not fit") as string;
  const unknownModel = expect.stringContaining("unknown model") as string;

  test("REST, v2: binary and JSON tensors, every datatype, its health calls, errors as text", async () => {
    expect(await said("rest", gateway.url)).toMatchObject({
      ...both,
      plain: [[close(1 / (1 + Math.exp(-0.1)))]],
      wrong_shape: { status: 400, error: wrongShape },
      unknown: { status: 404, error: unknownModel },
      nobody: { status: 401 },
    });
  });

  test("REST, v1: rows in, rows out", async () => {
    expect(await said("v1", gateway.url)).toMatchObject({
      live: true,
      model_ready: true,
      v1: { predictions: [close(scored), close(scored)] },
      ragged: { status: 400 },
    });
  });

  test("gRPC: raw and typed contents, answers that its SDK reads, statuses that its retries understand", async () => {
    expect(await said("grpc", gateway.grpcAddress)).toMatchObject({
      ...both,
      wrong_shape: { status: "StatusCode.INVALID_ARGUMENT", error: wrongShape },
      unknown: { status: "StatusCode.NOT_FOUND", error: unknownModel },
      nobody: { status: "StatusCode.UNAUTHENTICATED" },
    });
  });
});
