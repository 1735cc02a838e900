import { logisticModel } from "@portolan/onnx-format/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestGateway, TestInstallation } from "../../../apps/gateway/test/installation.ts";
import { pythonClient } from "../../../tools/python-client.ts";
import { runCommand } from "../../../tools/run-command.ts";

/** A client that knows nothing but the document that the gateway publishes. */
const python = await pythonClient("openapi");

interface Said {
  readonly name: string;
  readonly status: number;
  readonly problem: string;
}

describe.skipIf(python === undefined)("openapi-core of Python", () => {
  let installation: TestInstallation;
  let gateway: TestGateway;
  beforeAll(async () => {
    installation = new TestInstallation();
    installation.add("score", logisticModel([0.5, -0.25], 0.1));
    const from = { kind: "feature" as const, view: "accounts@1", feature: "balance" };
    const views = [{ name: "accounts@1", digest: `sha256:${"0".repeat(64)}`, entityKeys: ["account"] }];
    installation.add("enriched", logisticModel([0.5], 0.1), {
      features: {
        service: "s",
        entityKeys: ["account"],
        views,
        columns: [{ input: "x", index: 0, from, missing: 0 }],
        maxAgeMs: null,
      },
    });
    installation.grantReading("enriched");
    await installation.publish(1);
    gateway = await installation.start();
  });
  afterAll(() => installation.dispose());

  test("the document is valid OpenAPI 3.1, and every answer of the gateway, also each refusal, is as it says", async () => {
    const args = [`${import.meta.dirname}/client.py`, gateway.url, installation.apiKey, "score"];
    const { exitCode, output } = await runCommand(python ?? "", args, { cwd: import.meta.dirname });
    expect([exitCode, exitCode === 0 ? "" : output]).toEqual([0, ""]);
    const said = output
      .split("\n")
      .filter((line) => line.startsWith('{"name"'))
      .map((line) => JSON.parse(line) as Said);
    expect(said.filter(({ problem }) => problem !== "")).toEqual([]);
    const expected = (name: string): number => {
      if (name.endsWith(" by nobody")) return 401;
      if (name.endsWith(" of nothing")) return 404;
      // The model of this gateway answers with tensors: of text there is nothing to be had.
      if (name.startsWith("text")) return 400;
      // Its endpoints have no flags: all of them are an empty list, and one of them is not there.
      return { "wrong shape": 400, repositoryUnload: 403, evaluateFlag: 404 }[name] ?? 200;
    };
    expect(said.map(({ name, status }) => [name, status])).toEqual(
      said.map(({ name }) => [name, expected(name)]),
    );
    expect(said.length).toBeGreaterThan(50);
  });
});
