import { createServer, request as httpRequest, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { logisticModel } from "@portolan/onnx-format/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type TestGateway, TestInstallation } from "./installation.ts";

/** Control's side of the wire, as far as a gateway pulls from it. */
let offered: unknown;
let control: Server;
let installation: TestInstallation;
beforeEach(async () => {
  installation = new TestInstallation();
  control = createServer((_request, response) => {
    if (offered === undefined) response.writeHead(304).end();
    else response.end(JSON.stringify(offered));
  });
  await new Promise<void>((resolve) => control.listen(0, "127.0.0.1", resolve));
});
afterEach(async () => {
  installation.dispose();
  control.closeAllConnections();
  await new Promise((resolve) => control.close(resolve));
});

const body = '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}';
const path = "/v2/models/score/infer";
const model = (version: number) => logisticModel([0.5, -0.25], version / 10);

interface Answered {
  readonly model_version: string;
}

/** A request whose second half is sent when the caller says so. */
function slowRequest(gateway: TestGateway): { finish: () => Promise<{ status: number; version: string }> } {
  const sent = httpRequest(`${gateway.url}${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${installation.apiKey}`, "content-length": body.length },
  });
  const answered = new Promise<{ status: number; version: string }>((resolve, reject) => {
    sent.on("error", reject);
    sent.on("response", (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          version: (JSON.parse(text) as Answered).model_version ?? text,
        }),
      );
    });
  });
  sent.write(body.slice(0, 20));
  return {
    finish: () => {
      sent.end(body.slice(20));
      return answered;
    },
  };
}

test("deployments under load fail no request, and one that was on its way is answered by the new model", async () => {
  offered = undefined;
  installation.add("score", model(1));
  await installation.publish(1);
  const address = control.address() as AddressInfo;
  const gateway = await installation.start({ CONTROL_URL: `http://127.0.0.1:${address.port}` });
  const statuses = new Map<string, number>();
  let isOver = false;
  const client = async (): Promise<void> => {
    while (!isOver) {
      const response = await gateway.post(path, body);
      const text = await response.text();
      const key = response.status === 200 ? "200" : `${response.status} ${text}`;
      statuses.set(key, (statuses.get(key) ?? 0) + 1);
    }
  };
  const served = async () => ((await (await gateway.post(path, body)).json()) as Answered).model_version;
  const clients = Array.from({ length: 3 }, client);
  for (let version = 2; version <= 9; version++) {
    const slow = slowRequest(gateway);
    await served(); // it is admitted by now: requests are taken in order
    installation.deploy("score", model(version), version);
    offered = await installation.publish(version);
    for (let i = 0; i < 1200 && (await served()) !== String(version); i++)
      await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await slow.finish()).toEqual({ status: 200, version: String(version) });
  }
  isOver = true;
  await Promise.all(clients);
  expect([...statuses.keys()]).toEqual(["200"]);
});
