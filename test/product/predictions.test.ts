import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { logisticModel } from "@portolan/onnx-format/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createDelays, createShopKey, doneBy, soon } from "../../apps/cli/test/delays.ts";
import { type CommandResult, type Product, startProduct } from "../../apps/cli/test/product.ts";

const folder = mkdtempSync(join(tmpdir(), "portolan-predictions-"));
let product: Product;
afterAll(async () => {
  await product[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const done = doneBy(() => product);

const predict = (value: number): Promise<CommandResult> => {
  const tensor = { name: "x", shape: [1, 2], datatype: "FP32", data: [value, 1] };
  const line = "--as shop predict delays --environment dev --data".split(" ");
  return product.cli(...line, JSON.stringify({ inputs: [tensor] }));
};

interface Listed {
  readonly header: {
    readonly id: string;
    readonly replayOf?: string;
    readonly status: { readonly kind: string };
  };
}
async function listed(): Promise<Listed[]> {
  const { out } = await done("predictions list --endpoint delays --limit 1000 --json");
  const { predictions } = JSON.parse(out) as { predictions: Listed[] };
  return predictions.filter(({ header }) => header.status.kind === "ok");
}

const replay = (...options: string[]): Promise<CommandResult> =>
  product.cli(
    ..."predictions replay --endpoint delays --ask-as shop --environment dev --json".split(" "),
    ...options,
  );

async function deploy(version: number): Promise<void> {
  await done(`endpoint deploy delays delays ${version} --use-case delays --environment dev`);
}

beforeAll(async () => {
  product = await startProduct();
  await createDelays(done);
  for (const [version, weights] of [
    [1, [1, 2]],
    [2, [1, 2.5]],
  ] as const) {
    const path = join(folder, `${version}.onnx`);
    writeFileSync(path, logisticModel(weights, 0));
    await done(`--as ci model import ${path} --name delays --use-case delays --environment dev`);
  }
  await deploy(1);
  await soon(async () => (await predict(0)).code === 0);
  for (let n = 1; n < 5; n++) expect((await predict(n / 10)).code).toBe(0);
  await soon(async () => (await listed()).length === 5);
}, 300_000);

test("portolan lineage of a prediction is that of the version that answered: from the file that was imported to the endpoint", async () => {
  const [record] = await listed();
  await soon(async () => (await product.cli("lineage", "delays/1")).out.includes("deploy.delays"));
  const { out } = await done(`lineage ${record?.header.id ?? ""}`);
  expect(out).toMatch(/^delays\/1 {2}model:\/\/\S+\n/);
  expect(out).toMatch(/register\.delays \(completed\)\n.*sha256:\w{64} {2}object:/);
  expect(out).toMatch(/deploy\.delays \(completed\)\n.*delays@dep_\w+ {2}endpoint:/);
});

test("portolan explain says what a prediction cannot be explained for, and how to mend it", async () => {
  const [record] = await listed();
  const { code, err } = await product.cli("explain", record?.header.id ?? "");
  expect(code).toBe(1);
  expect(err).toMatch(
    /delays\/1 has no background to explain against[^]*portolan model explainable delays 1/,
  );
  expect(err).toContain("(evaluation.no_background)");
  expect((await product.cli("explain", "prd_none")).err).toContain("(kernel.not_found)");
});

describe("portolan predictions", () => {
  test("a replay at the same version answers the same, is marked, and is not replayed itself", async () => {
    const dry = await replay("--dry-run");
    expect(JSON.parse(dry.out)).toMatchObject({ dryRun: true, replayable: 5, same: 0 });
    const { code, out, err } = await replay("--rate", "100");
    expect(code, err).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ replayable: 5, same: 5, different: [], failed: [] });
    await soon(async () => (await listed()).length === 10);
    const records = await listed();
    const first = new Set(records.filter(({ header }) => !header.replayOf).map(({ header }) => header.id));
    const replayed = records.flatMap(({ header }) => header.replayOf ?? []);
    expect(new Set(replayed)).toEqual(first);
    const again = JSON.parse((await replay("--dry-run")).out) as { replayable: number; skipped: object };
    expect(again).toMatchObject({ replayable: 5, skipped: { "is a replay itself": 5 } });
  });

  test("it is bounded, and says where another version differs", async () => {
    await deploy(2);
    await soon(async () => {
      const { out } = await replay("--limit", "2", "--rate", "100");
      return (JSON.parse(out) as { different: unknown[] }).different.length === 2;
    });
    const { code } = await replay("--limit", "1");
    expect(code).toBe(1);
    const generous = await replay("--limit", "1", "--tolerance", "1");
    expect(generous.code).toBe(0);
    expect((await replay("--limit", "0")).code).toBe(1);
  });

  test("a hold keeps a record from being erased until it is released", async () => {
    const [record] = await listed();
    const id = record?.header.id ?? "";
    const { out } = await done(
      "predictions hold --environment dev --endpoint delays --json --reason",
      "claim 4711",
    );
    const { id: hold } = JSON.parse(out) as { id: string };
    const refused = await product.cli("predictions", "erase", id, "--reason", "asked for");
    expect(refused.err).toContain("(predictions.under_hold)");
    expect((await done("predictions holds")).out).toContain(hold);
    await done(`predictions release ${hold} --reason`, "settled");
    await done(`predictions erase ${id} --reason`, "asked for");
    const shown = JSON.parse((await done(`predictions show ${id} --json`)).out) as object;
    expect(shown).toMatchObject({ withheld: "erased" });
    const proof = join(folder, "proof.json");
    await soon(async () => (await product.cli("audit", "prove", id, "--out", proof)).code === 0);
    expect((await done(`audit check-proof ${proof}`)).out).toContain("proved");
  });
});

describe("portolan endpoint halt", () => {
  test("callers get 503 with the mend, strangers the 404 of what is not there, and the list says who halted it and why", async () => {
    expect((await predict(1)).code).toBe(0);
    const halted = await done("endpoint halt delays --environment dev --reason", "wrong people");
    expect(halted.out).toContain("delays is halted in dev");
    await soon(async () => (await predict(1)).code !== 0);
    const { err } = await predict(1);
    expect(err).toContain("serving.not_served");
    expect(err).toContain("portolan endpoint list");
    await done("service-account create stranger");
    const { out } = await done("api-key create stray --for stranger --environment dev --json");
    const asked = async (key: string) => {
      const response = await fetch(`${product.gatewayUrl}/v2/models/delays/infer`, {
        method: "POST",
        headers: { authorization: `Bearer ${key}` },
        body: "{}",
      });
      const { code } = (await response.json()) as { code: string };
      return [response.status, code, response.headers.get("retry-after")];
    };
    const [own, stray] = [await createShopKey(done), (JSON.parse(out) as { text: string }).text];
    await soon(async () => (await asked(own))[0] === 503 && (await asked(stray))[0] === 404);
    expect(await asked(own)).toEqual([503, "serving.not_served", null]);
    expect((await asked(stray))[1]).toBe("serving.endpoint_not_found");
    expect((await done("endpoint list")).out).toMatch(
      /delays +dev +nothing: halted by usr_\w+ at \S+: wrong people/,
    );
  });

  test("a deployment does not let it go on, and resuming does", async () => {
    const deployed = await product.cli(
      ..."endpoint deploy delays delays 1 --use-case delays --environment dev".split(" "),
    );
    expect([deployed.code, deployed.err]).toEqual([
      1,
      expect.stringContaining("nothing is served: halted by"),
    ]);
    expect((await predict(1)).code).not.toBe(0);
    await done("endpoint resume delays --environment dev --reason", "mended");
    await soon(async () => (await predict(1)).code === 0);
    expect(
      (await product.cli("endpoint", "resume", "delays", "--environment", "dev", "--reason", "again")).err,
    ).toContain("serving.not_halted");
  });
});

describe("portolan endpoint sunset", () => {
  test("who still calls is told before it is announced, and each answer says when it ends until that is taken back", async () => {
    const { callers } = JSON.parse((await done("endpoint callers delays --environment dev --json")).out) as {
      callers: { principal: string; requests: number; answered: number }[];
    };
    expect(callers.some(({ requests, answered }) => answered >= 5 && requests >= answered)).toBe(true);
    const successor = "https://models.example/delays-2";
    await done(
      `endpoint sunset delays --environment dev --on 2199-03-01 --successor ${successor} --reason`,
      "old",
    );
    await soon(async () => (await done("endpoint list")).out.includes("until 2199-03-01T00:00:00"));
    const asked = async (): Promise<Headers> => {
      const response = await fetch(`${product.gatewayUrl}/v2/models/delays/infer`, {
        method: "POST",
        headers: { authorization: `Bearer ${key}` },
        body: '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}',
      });
      // A key that was made a moment ago is not known everywhere yet.
      return response.status === 200 ? response.headers : new Headers({ sunset: "not answered" });
    };
    const key = await createShopKey(done);
    await soon(async () => (await asked()).get("sunset") === "Fri, 01 Mar 2199 00:00:00 GMT");
    const headers = await asked();
    expect(headers.get("deprecation")).toMatch(/^@\d{10}$/);
    expect(headers.get("link")).toBe(`<${successor}>; rel="successor-version"`);
    await done("endpoint sunset delays --environment dev --withdraw --reason", "still needed");
    await soon(async () => !(await asked()).has("sunset"));
  });
});

test("portolan policy replace shows what would come and go, puts a folder's policies in force, and refuses what is no policy", async () => {
  const policies = join(folder, "policies");
  mkdirSync(policies);
  const policy = `@id("nobody-deploys")
@description("Endpoints stay as they are.")
forbid (principal, action == Portolan::Action::"serving:deploy", resource);
`;
  writeFileSync(join(policies, "own.cedar"), "permit (principal, action, resource);");
  const refused = await product.cli("policy", "replace", "--policies", policies);
  expect([refused.code, refused.out]).toEqual([1, ""]);
  expect(refused.err).toMatch(/identity\.\w*polic\w*/);
  expect((await done("policy list")).out).toContain("none of your own");
  writeFileSync(join(policies, "own.cedar"), policy);
  const dry = await done(`policy replace --policies ${policies} --dry-run`);
  expect(dry.out).toMatch(/^new +own\.cedar/);
  expect((await done("policy list")).out).toContain("none of your own");
  await done(`policy replace --policies ${policies}`);
  expect((await done("policy list")).out).toContain("nobody-deploys");
  expect((await done(`policy replace --policies ${policies}`)).out).toContain("no change");
});
