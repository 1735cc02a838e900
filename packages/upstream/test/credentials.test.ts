import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger, digestBytes } from "@portolan/kernel";
import type { StatedUpstream } from "@portolan/registry/contract";
import { encodeUpstream } from "@portolan/registry/policy";
import type { LoadedModel, Tensor } from "@portolan/serving/policy";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createUpstreamProbe, createUpstreamRuntime, openUpstreamAccess } from "../src/index.ts";
import { TensorServer } from "../src/testing.ts";

const registrant = { organisationId: "org_1", useCaseId: "uc_1", environment: "dev" as const };
const table = { datatype: "FP32" as const, shape: [-1, 2] };
const x: Tensor = { name: "x", datatype: "FP32", shape: [1, 2], data: Float32Array.of(1.5, -2) };
let server: TensorServer;
let folder: string;
const open: LoadedModel[] = [];
beforeEach(async () => {
  server = await TensorServer.start([{ name: "x", ...table }], [{ name: "y", ...table }]);
  folder = mkdtempSync(join(tmpdir(), "credentials-"));
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((model) => model.close()));
  await server.close();
  rmSync(folder, { recursive: true });
});

const access = () => openUpstreamAccess("127.0.0.1", folder);
const log = createLogger({ name: "test", level: "silent" });
const named = (over: Partial<StatedUpstream> = {}): StatedUpstream => ({
  protocol: "open-inference",
  url: server.url,
  model: "echo",
  region: "local",
  owner: "self",
  credential: "triton",
  ...over,
});

function write(over: object = {}): void {
  const headers = { Authorization: "Bearer s3cret" };
  const file = { organisation: "org_1", origin: server.url, headers, ...over };
  writeFileSync(join(folder, "triton.json"), JSON.stringify(file));
}

const describeIt = (over: Partial<StatedUpstream> = {}, by = registrant) =>
  createUpstreamProbe(access()).describe(named(over), by);

async function load(holder = registrant, over: Partial<StatedUpstream> = {}): Promise<LoadedModel> {
  const signature = { inputs: [{ name: "x", ...table }], outputs: [{ name: "y", ...table }] };
  const bytes = encodeUpstream(named(over), { signature, binaryTensors: true }, holder);
  const model = await createUpstreamRuntime({ access: access(), log }).load({
    label: "echo/1",
    digest: digestBytes(bytes),
    signature,
    form: "upstream",
    origin: "imported",
    loadBytes: async () => bytes,
  });
  open.push(model);
  return model;
}

test("a credential goes to its own origin, for its own organisation, use cases and environments", async () => {
  write();
  await describeIt();
  const own = await load();
  expect(await own.run([x], { timeoutMs: 2000 })).toMatchObject({ kind: "ok" });
  expect(server.seen.at(-1)?.headers.authorization).toBe("Bearer s3cret");
  write({ useCases: ["uc_1"], environments: ["dev"] });
  await describeIt({ environments: ["dev"] });
});

test("whatever does not fit is refused alike, and nobody is asked", async () => {
  const refusals: unknown[] = [];
  const refused = async (attempt: Promise<unknown>) => {
    const error = await attempt.catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "upstream.credential_unusable" });
    const { detail, mend } = error as { detail?: string; mend?: string };
    refusals.push(`${detail} ${mend}`);
  };
  await refused(describeIt());
  write({ origin: "https://triton.example" });
  await refused(describeIt());
  write({ organisation: undefined });
  await refused(describeIt());
  write();
  await refused(describeIt({}, { ...registrant, organisationId: "org_2" }));
  write({ useCases: ["uc_2"] });
  await refused(describeIt());
  write({ environments: ["dev"] });
  await refused(describeIt());
  await refused(describeIt({ environments: ["dev", "production"] }));
  write({ environments: ["production"] });
  await refused(describeIt({ environments: ["production"] }));
  expect(new Set(refusals).size).toBe(1);
  expect(server.paths).toEqual([]);
});

test("what is loaded, at a gateway or to be evaluated, is judged by its signed description", async () => {
  write({ useCases: ["uc_1"], environments: ["dev"] });
  const cases = [
    [{ ...registrant, organisationId: "org_2" }, { environments: ["dev"] }],
    [{ ...registrant, useCaseId: "uc_2" }, { environments: ["dev"] }],
    [registrant, {}],
  ] as const;
  for (const [holder, over] of cases) {
    const foreign = await load(holder, over as Partial<StatedUpstream>);
    const outcome = await foreign.run([x], { timeoutMs: 1000 });
    expect(outcome).toEqual({ kind: "unavailable", detail: "The upstream cannot be asked from here now." });
  }
  expect(server.paths).toEqual([]);
});

test("a file that is being exchanged is one failed check; one that stays away ends it, and callers hear no name", async () => {
  write();
  const loaded = await load();
  writeFileSync(join(folder, "triton.json"), "{");
  await new Promise((resolve) => setTimeout(resolve, 5300));
  expect(loaded.state().kind).toBe("ready");
  await expect.poll(() => loaded.state().kind, { timeout: 4000 }).toBe("unavailable");
  expect(JSON.stringify(loaded.state())).not.toContain("triton");
  write();
  await expect.poll(() => loaded.state().kind, { timeout: 4000 }).toBe("ready");
});
