import { readTemplate } from "@portolan/charter/templates";
import type { StatedUpstream } from "@portolan/registry/contract";
import { TensorServer, TextServer } from "@portolan/upstream/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { must, putInForce } from "../../apps/control/test/api.ts";
import { type InProcessControl, openControl } from "../../apps/control/test/in-process.ts";
import { prepareScoring, type ScoringWorld } from "../../apps/control/test/scoring-world.ts";

let control: InProcessControl;
let world: ScoringWorld;
let server: TensorServer;
let text: TextServer;
const table = { datatype: "FP64", shape: [-1, 1] };

async function register(model: string, over: Partial<StatedUpstream>): Promise<void> {
  const upstream = {
    protocol: "open-inference",
    url: server.url,
    model: "echo",
    region: "local",
    owner: "self",
    ...over,
  };
  const body = { useCaseId: world.acme.useCaseId, environment: "dev", upstream };
  await world.post(`/v1/models/${model}/upstreams`, body);
}

beforeAll(async () => {
  control = await openControl();
  server = await TensorServer.start([{ name: "x", ...table }], [{ name: "y", ...table }]);
  text = await TextServer.start();
  world = await prepareScoring(control);
  await register("echoed", {});
  await register("helper", { protocol: "openai", url: text.url, model: "parrot" });
  await register("abroad", { region: "us-east-1", owner: "aws" });
  const { useCaseId } = world.acme;
  await world.post("/v1/endpoints/echoed", { environment: "dev", useCaseId, model: "echoed", version: 1 });
});
afterAll(async () => {
  await control.close();
  await server.close();
  await text.close();
});

const question = (over: Readonly<Record<string, unknown>>) => ({
  environment: "dev",
  datasetId: world.datasetId,
  purpose: "staff-planning",
  columns: ["wait"],
  ...over,
});

async function refusalOf(over: Readonly<Record<string, unknown>>) {
  const body = { ...question(over), out: "refused" };
  const { status, body: answer } = await control.call(
    "POST",
    "/v1/scorings",
    body,
    await control.token("sam"),
  );
  return [status, answer["code"], answer["detail"]];
}

async function noteOf(job: string): Promise<unknown> {
  const found = await must(control, "GET", `/v1/jobs/${job}`, undefined, await control.token("sam"));
  return found["note"];
}

test("an endpoint whose version another server runs scores a snapshot there; the plan and the manifest say where and what it cost", async () => {
  const query = new URLSearchParams({ ...question({ endpoint: "echoed" }), columns: "wait" });
  const plan = await must(
    control,
    "GET",
    `/v1/scoring-plan?${query.toString()}`,
    undefined,
    await control.token("sam"),
  );
  expect(plan).toMatchObject({ upstream: { region: "local", owner: "self" }, chunks: 1 });
  const asked = { ...question({ endpoint: "echoed" }), out: "there", upstreamCost: "0.02 USD" };
  const { id } = await world.post("/v1/scorings", asked, "sam");
  const { manifest, failure } = await world.working(() => world.untilOver(String(id)));
  expect(failure).toBeUndefined();
  expect(manifest).toMatchObject({
    rows: 48,
    refusedRows: 0,
    plan: { upstream: { region: "local", owner: "self" } },
    upstream: { requests: server.seen.length, perThousandRows: "0.02 USD" },
    cost: { perThousandRows: expect.stringMatching(/ USD$/) },
  });
  expect(manifest?.upstream?.busySeconds).toBeGreaterThan(0);
});

test("text versions and servers beyond the charter's border are refused, and say why", async () => {
  expect(await refusalOf({ model: "helper", version: 1 })).toEqual([
    404,
    "scoring.target_unknown",
    "helper/1 answers text, and batches score rows of tensors",
  ]);
  const [status, code] = await refusalOf({ model: "abroad", version: 1 });
  expect([status, code]).toEqual([403, "charter.placement_refused"]);
});

test("a server that is away fails no scoring: the job says what it waits for, lets others run, and goes on by itself", async () => {
  const { port } = server;
  await server.close();
  const asked = { ...question({ model: "echoed", version: 1 }), out: "later" };
  const { id, job } = await world.post("/v1/scorings", asked, "sam");
  await world.working(async () => {
    await expect
      .poll(() => noteOf(String(job)), { timeout: 60_000, interval: 500 })
      .toContain("waits for the upstream: the server that runs the version does not answer");
    await server.listen(port);
    expect(await world.untilOver(String(id))).toMatchObject({ state: "ready", manifest: { rows: 48 } });
  });
});

test("a charter that no longer lets the server be asked ends a scoring that waits for it", async () => {
  const charter = readTemplate("flight-delays");
  await putInForce(control, charter.replace("owners: [self]", "owners: [self, partner]"));
  await register("lent", { owner: "partner" });
  const { port } = server;
  await server.close();
  const asked = { ...question({ model: "lent", version: 1 }), out: "ended" };
  const { id, job } = await world.post("/v1/scorings", asked, "sam");
  await world.working(
    async () => {
      await expect
        .poll(() => noteOf(String(job)), { timeout: 60_000, interval: 500 })
        .toContain("waits for the upstream");
      await putInForce(control, charter);
      await server.listen(port);
      const before = server.seen.length;
      const over = await world.untilOver(String(id));
      expect(over.failure).toMatch(/lent\/1.*partner|partner.*lent\/1/);
      expect(server.seen.length).toBe(before);
    },
    (handler) => ({ ...handler, retries: 0 }),
  );
});
