import { TensorServer, TextServer } from "@portolan/upstream/testing";
import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createDelays, createShopKey, doneBy } from "./delays.ts";
import { type Product, startProduct } from "./product.ts";

let product: Product;
let tensors: TensorServer;
let text: TextServer;
let key: string;

const done = doneBy(() => product);

const ofDelays = "--use-case delays --environment dev";

beforeAll(async () => {
  const table = { datatype: "FP32", shape: [-1, 2] };
  tensors = await TensorServer.start([{ name: "x", ...table }], [{ name: "y", ...table }]);
  text = await TextServer.start();
  product = await startProduct();
  await createDelays(done);
  key = await createShopKey(done);
});
afterAll(async () => {
  await product[Symbol.asyncDispose]();
  await tensors.close();
  await text.close();
});

test("versions that other servers run are registered, verified, deployed and asked, by the commands of the page", async () => {
  const place = "--location local --owner self";
  const registered = await done(
    `--as ci model register-upstream echoed ${ofDelays} --url ${tensors.url} --model echo ${place}`,
  );
  expect(registered.out).toContain("echoed version 1");
  await done(
    `--as ci model register-upstream helper ${ofDelays} --protocol openai --url ${text.url} --model parrot ${place} --json`,
  );
  expect((await done("model verify echoed 1")).out).toContain("valid, signed by");
  expect((await done("model list echoed")).out).toMatch(/echoed\s+1\s+upstream/);
  const missing = await product.cli(
    ..."--as ci model register-upstream other --use-case delays --environment dev".split(" "),
    ...`--url ${tensors.url} --model nothing ${place}`.split(" "),
  );
  expect(missing.code).not.toBe(0);
  expect(missing.err).toContain("upstream.model_unfit");
  for (const name of ["echoed", "helper"]) await done(`endpoint deploy ${name} ${name} 1 ${ofDelays}`);
  const client = new OpenAI({ baseURL: `${product.gatewayUrl}/v1`, apiKey: key, maxRetries: 0 });
  const chat = { model: "helper", messages: [{ role: "user" as const, content: "hello there" }] };
  await expect
    .poll(async () => (await client.chat.completions.create(chat)).choices[0]?.message.content, {
      timeout: 30_000,
    })
    .toBe("hello there");
  const answer = await fetch(`${product.gatewayUrl}/v2/models/echoed/infer`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}` },
    body: '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}',
  });
  expect(answer.headers.get("x-portolan-tier")).toBe("upstream");
  expect(await answer.json()).toMatchObject({ outputs: [{ name: "y", data: [1, 2] }] });
});
