import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { runCli } from "../src/program.ts";

const root = resolve(import.meta.dirname, "../../..");
const example = join(root, "examples/policies");
let folder: string;

async function portolan(cwd: string, ...args: string[]) {
  let out = "";
  const stream = { write: (text: string) => (out += text) };
  const code = await runCli(args, {
    environment: { cwd, env: {}, root },
    streams: { out: stream, err: stream },
  });
  return { code, out };
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-policy-"));
});
afterEach(() => {
  process.exitCode = 0;
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("the example's policies decide as its tests expect", async () => {
  const { code, out } = await portolan(example, "policy", "test", "policy-tests.yaml", "--json");
  expect({ code, ...JSON.parse(out) }).toMatchObject({
    code: 0,
    passed: 5,
    failed: 0,
    policyFiles: ["production.cedar"],
  });
});

test("without the organisation's policies the same tests fail, with exit code 1 and the names of those that do", async () => {
  const { code, out } = await portolan(folder, "policy", "test", join(example, "policy-tests.yaml"));
  expect(code).toBe(1);
  expect(out).toContain("FAILED a team lead does not deploy to production: allowed by team-lead");
  expect(out).toContain("3 passed, 2 failed");
});

test("a named folder without policies, a broken policy and a broken test file are refused", async () => {
  const tests = join(example, "policy-tests.yaml");
  const missing = await portolan(folder, "policy", "test", tests, "--policies", "nowhere");
  expect(missing).toMatchObject({ code: 1, out: expect.stringContaining("cli.bad_file") });
  await writeFile(join(folder, "broken.cedar"), "permit (principal, action, resource");
  const broken = await portolan(folder, "policy", "test", tests, "--policies", ".");
  expect(broken).toMatchObject({ code: 1, out: expect.stringContaining("identity.bad_policy") });
  await writeFile(join(folder, "tests.yaml"), "tests: [");
  const yaml = await portolan(folder, "policy", "test", "tests.yaml");
  expect(yaml).toMatchObject({ code: 1, out: expect.stringContaining("cli.bad_file") });
});
