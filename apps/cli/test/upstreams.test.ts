import { TensorServer, TextServer } from "@portolan/upstream/testing";
import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type CommandResult, type Product, startProduct } from "./product.ts";

let product: Product;
let tensors: TensorServer;
let text: TextServer;
let key: string;

async function done(line: string): Promise<CommandResult> {
  const result = await product.cli(...line.split(" "));
  if (result.code !== 0) throw new Error(`${line}: ${result.err}${result.out}`);
  return result;
}

const ofDelays = "--use-case delays --environment dev";

beforeAll(async () => {
  const table = { datatype: "FP32", shape: [-1, 2] };
  tensors = await TensorServer.start([{ name: "x", ...table }], [{ name: "y", ...table }]);
  text = await TextServer.start();
  product = await startProduct();
  await done("business-unit create operations");
  await done("team create planning --business-unit operations");
  await done("use-case create delays --team planning");
  for (const name of ["ci", "shop"]) await done(`service-account create ${name}`);
  const { organisationId } = JSON.parse((await done("whoami --json")).out) as { organisationId: string };
  await done(`grant ci --to ci --scope ${organisationId}`);
  await done("grant application --to shop --scope-kind use_case --scope delays");
  key = (
    JSON.parse((await done("api-key create app --for shop --environment dev --json")).out) as {
      text: string;
    }
  ).text;
}, 120_000);
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
