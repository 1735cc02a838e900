import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { identityModel, onnxType } from "@portolan/onnx-format/testing";
import { GrpcTensorServer, TensorServer, TextServer } from "@portolan/upstream/testing";
import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createDelays, createShopKey, doneBy } from "../../apps/cli/test/delays.ts";
import { type Product, startProduct } from "../../apps/cli/test/product.ts";

let product: Product;
let tensors: TensorServer;
let overGrpc: GrpcTensorServer;
let text: TextServer;
let key: string;

const done = doneBy(() => product);

const ofDelays = "--use-case delays --environment dev";

beforeAll(async () => {
  const table = { datatype: "FP32", shape: [-1, 2] };
  tensors = await TensorServer.start([{ name: "x", ...table }], [{ name: "y", ...table }]);
  overGrpc = await GrpcTensorServer.start([{ name: "x", ...table }], [{ name: "y", ...table }]);
  text = await TextServer.start();
  product = await startProduct();
  await createDelays(done);
  key = await createShopKey(done);
});
afterAll(async () => {
  await product[Symbol.asyncDispose]();
  await tensors.close();
  await overGrpc.close();
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
  await done(
    `--as ci model register-upstream called ${ofDelays} --protocol open-inference-grpc --url ${overGrpc.url} --model echo ${place}`,
  );
  expect((await done("model verify echoed 1")).out).toContain("valid, signed by");
  expect((await done("model list echoed")).out).toMatch(/echoed\s+1\s+upstream/);
  const missing = await product.cli(
    ..."--as ci model register-upstream other --use-case delays --environment dev".split(" "),
    ...`--url ${tensors.url} --model nothing ${place}`.split(" "),
  );
  expect(missing.code).not.toBe(0);
  expect(missing.err).toContain("upstream.model_unfit");
  for (const name of ["echoed", "called", "helper"])
    await done(`endpoint deploy ${name} ${name} 1 ${ofDelays}`);
  const client = new OpenAI({ baseURL: `${product.gatewayUrl}/v1`, apiKey: key, maxRetries: 0 });
  const chat = { model: "helper", messages: [{ role: "user" as const, content: "hello there" }] };
  await expect
    .poll(async () => (await client.chat.completions.create(chat)).choices[0]?.message.content, {
      timeout: 30_000,
    })
    .toBe("hello there");
  for (const name of ["echoed", "called"]) {
    const answer = await fetch(`${product.gatewayUrl}/v2/models/${name}/infer`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}` },
      body: '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}',
    });
    expect(answer.headers.get("x-portolan-tier")).toBe("upstream");
    expect(await answer.json()).toMatchObject({ outputs: [{ name: "y", data: [1, 2] }] });
  }
});

test("a model that runs in the gateway and on another server is asked where its deployment says, and why is said", async () => {
  const folder = await mkdtemp(join(tmpdir(), "portolan-places-"));
  const twin = [{ name: "in", datatype: "INT64", shape: [-1] }];
  const server = await GrpcTensorServer.start(twin, [{ name: "out", datatype: "INT64", shape: [-1] }]);
  try {
    const file = join(folder, "model.onnx");
    await writeFile(file, identityModel(onnxType.int64, [null]));
    await done(`--as ci model import ${file} --name same ${ofDelays}`);
    await done(
      `--as ci model register-upstream same-gpu ${ofDelays} --protocol open-inference-grpc --url ${server.url} --model echo --location local --owner self`,
    );
    const { out } = await done(
      `endpoint deploy same same 1 ${ofDelays} --backend gpu=same-gpu/1:8ms:0.02USD`,
    );
    // Without a charter there is no price of a core, so nothing says that the other place is the better one.
    expect(out).toContain("cpu: same version 1 (not measured), first: it is not measured yet");
    expect(out).toContain(
      "gpu: same-gpu version 1 (8 ms, 0.02 USD per 1,000, stated), when those before are down",
    );
    expect((await done("endpoint list")).out).toMatch(/same\s+dev\s+same version 1\s+\d+\s+cpu/);
    const ask = () =>
      fetch(`${product.gatewayUrl}/v2/models/same/infer`, {
        method: "POST",
        headers: { authorization: `Bearer ${key}` },
        body: '{"inputs":[{"name":"in","shape":[1],"datatype":"INT64","data":[7]}]}',
      });
    await expect
      .poll(async () => (await ask()).headers.get("x-portolan-backend"), { timeout: 30_000 })
      .toBe("cpu;why=unmeasured");
  } finally {
    await server.close();
    await rm(folder, { recursive: true });
  }
});

test("a version with a prompt is registered, verified, compared and served, by the commands of the page", async () => {
  const folder = await mkdtemp(join(tmpdir(), "portolan-prompt-"));
  const said = async (system: string) => {
    const file = join(folder, "prompt.yaml");
    await writeFile(file, `system: ${system}\ntemplate: "Colour of {{thing}}?"\n`);
    const at = `--protocol openai --url ${text.url} --model parrot --location local --owner self`;
    return done(`--as ci model register-upstream spoken ${ofDelays} ${at} --prompt ${file}`);
  };
  try {
    expect((await said("Be kind.")).out).toMatch(/spoken version 1 .*with prompt sha256:/);
    await said("Be brief.");
    expect((await done("model verify spoken 2")).out).toContain("valid, signed by");
    const other = join(folder, "other.json");
    await writeFile(other, JSON.stringify({ format: "portolan.prompt/1", system: "Be kind." }));
    const forged = await product.cli(..."model verify spoken 2 --prompt".split(" "), other);
    expect([forged.code, forged.out]).toEqual([1, expect.stringContaining("prompt.json was changed")]);
    expect((await done("model diff spoken 1 2")).out).toMatch(/-system: Be kind\.\n\+system: Be brief\./);
    await done(`endpoint deploy spoken spoken 2 ${ofDelays}`);
    const client = new OpenAI({ baseURL: `${product.gatewayUrl}/v1`, apiKey: key, maxRetries: 0 });
    const asked = { model: "spoken", messages: [], prompt_variables: { thing: "grass" } };
    const ask = () =>
      client.chat.completions.create(asked).then(
        (answer) => answer.choices[0]?.message.content,
        (error: unknown) => String(error),
      );
    await expect.poll(ask, { timeout: 20_000 }).toBe("Colour of grass?");
    expect(text.bodies.at(-1)).toMatchObject({ messages: [{ role: "system", content: "Be brief." }, {}] });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("a text version is evaluated by a set of cases, by the commands of the page", async () => {
  const folder = await mkdtemp(join(tmpdir(), "portolan-cases-"));
  try {
    const file = join(folder, "cases.jsonl");
    const asked = (content: string, expect: unknown) =>
      `${JSON.stringify({ messages: [{ role: "user", content }], expect })}\n`;
    await writeFile(file, asked("Paris", "Paris") + asked("four: 4", { number: 5 }));
    const added = await done(`--as ci evaluation-set add ${file} --name questions --use-case delays`);
    expect(added.out).toMatch(/questions version 1, 2 cases .*nobody states/);
    expect((await done("evaluation-set list")).out).toMatch(/questions\s+1\s+2\s+not stated/);
    const told = await done("--as ci model evaluate helper 1 --evaluation-set questions");
    expect(told.out).toContain("1 of 2 cases passed");
    expect(told.out).toMatch(/2\s+its last number is another one\s+"four: 4"/);
    const { out } = await done("--as ci model evaluate helper 1 --evaluation-set questions@1 --json");
    expect(JSON.parse(out)).toMatchObject({
      metrics: { passed: 1 },
      failed: [{ id: "2", answer: "four: 4" }],
    });
    const wrong = await product.cli(..."--as ci model evaluate helper 1 --evaluation-set other".split(" "));
    expect(wrong.err).toContain("It has: questions");
    const none = await product.cli(..."--as ci model evaluate helper 1".split(" "));
    expect(none.err).toContain("--evaluation-set NAME");
  } finally {
    await rm(folder, { recursive: true });
  }
});
