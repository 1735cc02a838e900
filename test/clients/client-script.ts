import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { identityModel, logisticModel, onnxType } from "@portolan/onnx-format/testing";
import { createUpstreamProbe, openUpstreamAccess } from "@portolan/upstream";
import { expect } from "vitest";
import { type TestGateway, TestInstallation } from "../../apps/gateway/test/installation.ts";
import { runCommand } from "../../tools/run-command.ts";

/** Score of `score` where its inputs cancel out. */
export const scored = 1 / (1 + Math.exp(-0.1));

/** A gateway with one model per kind of datatype that foreign clients are tried with. */
export async function startForClients(): Promise<{
  readonly installation: TestInstallation;
  readonly gateway: TestGateway;
}> {
  const installation = new TestInstallation();
  const limits = { ratePerSecond: 100_000, burst: 100_000, timeoutMs: 20_000, bodyBytes: 1_000_000 };
  installation.add("score", logisticModel([0.5, -0.25], 0.1), { limits });
  installation.add("echo", identityModel(onnxType.int64, [null]), { limits });
  installation.add("text", identityModel(onnxType.string, [null]), { limits });
  installation.add("half", identityModel(onnxType.float16, [null]), { limits });
  await installation.publish(1);
  return { installation, gateway: await installation.start() };
}

/** Another gateway that runs none of these models itself: it asks the first one, over the Open Inference Protocol's REST or gRPC form. */
export async function startBehind(
  first: TestGateway,
  apiKey: string,
  protocol: "open-inference" | "open-inference-grpc" = "open-inference",
): Promise<{ readonly installation: TestInstallation; readonly gateway: TestGateway }> {
  const installation = new TestInstallation();
  const credentials = join(installation.home, "credentials");
  mkdirSync(credentials);
  const { organisationId } = installation;
  const url = protocol === "open-inference" ? first.url : `http://${first.grpcAddress}`;
  const credential = {
    organisation: organisationId,
    origin: url,
    headers: { authorization: `Bearer ${apiKey}` },
  };
  writeFileSync(join(credentials, "first.json"), JSON.stringify(credential));
  const probe = createUpstreamProbe(openUpstreamAccess("127.0.0.1", credentials));
  const place = { region: "local", owner: "self", credential: "first" };
  const registrant = { organisationId, useCaseId: "uc_1", environment: "dev" as const };
  for (const model of ["score", "echo", "text", "half"]) {
    const stated = { protocol, url, model, ...place };
    const found = await probe.describe(stated, registrant);
    installation.addUpstream(model, installation.upstream(model, 1, stated, found));
  }
  await installation.publish(1);
  const environment = { UPSTREAM_ALLOWED_HOSTS: "127.0.0.1", UPSTREAM_CREDENTIALS: credentials };
  return { installation, gateway: await installation.start(environment) };
}

/** What `client.py` in `folder` says: one JSON line `{"name": …, "value": …}` for everything that it tried. */
export async function clientSays(
  python: string,
  folder: string,
  args: readonly string[],
): Promise<Record<string, unknown>> {
  const { exitCode, output } = await runCommand(python, [`${folder}/client.py`, ...args], { cwd: folder });
  expect([exitCode, exitCode === 0 ? "" : output]).toEqual([0, ""]);
  const lines = output.split("\n").filter((line) => line.startsWith('{"name"'));
  return Object.fromEntries(
    lines.map((line) => {
      const { name, value } = JSON.parse(line) as { name: string; value: unknown };
      return [name, value];
    }),
  );
}
