import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { logisticModel } from "@portolan/onnx-format/testing";
import type { SnapshotPart } from "@portolan/serving/contract";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type TestGateway, TestInstallation } from "./installation.ts";

let installation: TestInstallation;
beforeEach(() => {
  installation = new TestInstallation();
  const model = logisticModel([0.5, -0.25], 0.1);
  installation.add("anywhere", model);
  installation.add("european", model, { placement: { regions: ["eu-*"], owners: ["self", "hetzner"] } });
  installation.add("own", model, { placement: { regions: ["eu-*", "local"], owners: ["self"] } });
});
afterEach(() => installation.dispose());

function omitPlacement({ kind, digest, sizeBytes, environment }: SnapshotPart): SnapshotPart {
  return { kind, digest, sizeBytes, ...(environment === undefined ? {} : { environment }) };
}

const body = '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}';

async function answers(gateway: TestGateway): Promise<Record<string, number>> {
  const names = ["anywhere", "european", "own"];
  const statuses = await Promise.all(
    names.map(async (name) => (await gateway.post(`/v2/models/${name}/infer`, body)).status),
  );
  return Object.fromEntries(names.map((name, index) => [name, statuses[index] ?? 0]));
}

test("a gateway serves what charters allow where it stands, and says of the rest that it is not served there", async () => {
  await installation.publish(1);
  const here = await installation.start({ LOCATION_REGION: "eu-central-1", LOCATION_OWNER: "hetzner" });
  expect(await answers(here)).toEqual({ anywhere: 200, european: 200, own: 503 });
});

test("a gateway that says nothing of itself stands here, on a machine of one's own", async () => {
  await installation.publish(1);
  expect(await answers(await installation.start())).toEqual({ anywhere: 200, european: 503, own: 200 });
});

test("routes that control put into a wrong part are refused by the gateway itself", async () => {
  await installation.publish(1, undefined, (manifest) => ({
    ...manifest,
    parts: manifest.parts.map(omitPlacement),
  }));
  const abroad = await installation.start({ LOCATION_REGION: "us-east-1", LOCATION_OWNER: "aws" });
  expect(await answers(abroad)).toEqual({ anywhere: 200, european: 503, own: 503 });
  expect(abroad.output.match(/gateway\.route\.misplaced/g)).toHaveLength(2);
  const metrics = await (await abroad.get("/metrics")).text();
  expect(metrics).toMatch(/portolan_gateway_routes_misplaced 2/);
});

test("it declares its place before the first snapshot, and states it with every pull", async () => {
  const asked: string[] = [];
  let declared = "";
  const control = createServer((request, response) => {
    void (async () => {
      let sent = "";
      for await (const chunk of request) sent += String(chunk);
      asked.push(`${request.method} ${request.url}`);
      if (request.method === "PUT") declared = sent;
      // As control does: 409 for whom it does not know, 304 where nothing is newer.
      response.writeHead(request.method === "PUT" ? 200 : declared === "" ? 409 : 304).end();
    })();
  });
  await new Promise<void>((resolve) => control.listen(0, "127.0.0.1", resolve));
  try {
    await installation.publish(1);
    await installation.start({
      CONTROL_URL: `http://127.0.0.1:${(control.address() as AddressInfo).port}`,
      ...installation.another("north"),
      LOCATION_REGION: "eu-north-1",
      LOCATION_OWNER: "Acme & Co",
    });
    await expect.poll(() => asked.length, { timeout: 60_000 }).toBeGreaterThanOrEqual(3);
    const pull =
      /^GET \/v1\/snapshots\/latest\?after=1&.*gateway=north&region=eu-north-1&owner=Acme\+%26\+Co$/;
    expect(asked.slice(0, 3)).toEqual([
      expect.stringMatching(pull),
      "PUT /v1/gateways/north",
      expect.stringMatching(pull),
    ]);
    expect(JSON.parse(declared)).toEqual({ region: "eu-north-1", owner: "Acme & Co" });
  } finally {
    control.closeAllConnections();
    control.close();
  }
});
