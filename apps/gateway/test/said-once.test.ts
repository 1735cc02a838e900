import { request } from "node:http";
import { json } from "node:stream/consumers";
import { logisticModel } from "@portolan/onnx-format/testing";
import { messages } from "@portolan/serving/policy";
import { afterAll, beforeAll, expect, test } from "vitest";
import { GrpcClient } from "./grpc-client.ts";
import { type TestGateway, TestInstallation } from "./installation.ts";

const body = '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}';
let installation: TestInstallation;
let gateway: TestGateway;
beforeAll(async () => {
  installation = new TestInstallation();
  installation.add("score", logisticModel([0.5, -0.25], 0));
  installation.grantActing("score");
  await installation.publish(1);
  gateway = await installation.start();
});
afterAll(() => installation.dispose());

/** Each value of a list is a header of its own. */
function ask(said: Readonly<Record<string, string[]>>) {
  return new Promise<{ readonly status: number | undefined; readonly detail: unknown }>((resolve, reject) => {
    const headers = { authorization: `Bearer ${installation.apiKey}`, ...said };
    const options = { method: "POST", headers, agent: false };
    const asked = request(`${gateway.url}/v2/models/score/infer`, options, (answer) => {
      json(answer).then((found) => {
        resolve({ status: answer.statusCode, detail: (found as { readonly detail?: unknown }).detail });
      }, reject);
    });
    asked.on("error", reject).end(body);
  });
}

test.each(["x-portolan-subject", "x-portolan-on-behalf-of"])(
  "a second %s is refused, one with a comma is a name",
  async (name) => {
    expect(await ask({ [name]: ["one", "two"] })).toEqual({
      status: 400,
      detail: `${name} names more than one.`,
    });
    // The same name twice is said twice all the same, and however it is written.
    expect((await ask({ [name.toUpperCase()]: ["one", "one"] })).status).toBe(400);
    expect((await ask({ [name]: ["Doe, Jane"] })).status).toBe(200);
  },
);

test("over gRPC too, where a name with a comma cannot be told from two", async () => {
  const infer = messages.inferRequest.encode({
    model_name: "score",
    model_version: "",
    id: "",
    parameters: {},
    inputs: [{ name: "x", datatype: "FP32", shape: [1, 2], contents: { fp32_contents: [1, 2] } } as never],
    outputs: [],
    raw_input_contents: [],
  });
  for (const said of [["one", "two"], ["Doe, Jane"]]) {
    const client = new GrpcClient(gateway.grpcAddress, installation.apiKey);
    for (const one of said) client.say("x-portolan-subject", one);
    const asked = client.call("ModelInfer", infer, messages.inferResponse);
    await expect(asked).rejects.toMatchObject({
      details: expect.stringContaining("names more than one") as string,
    });
    client.close();
  }
});
