import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readFeatureView } from "@portolan/features/policy";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readViewModules } from "./view-modules.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-views-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function module(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

const head = 'import { contract, count, defineView } from "@portolan/features/builder";\n';

test("a module anywhere defines views by the builder of this installation", async () => {
  const path = await module(
    "visits.view.ts",
    `${head}const visits = contract("visits", { whose: "text", at: "instant" });
const define = (name: string, window: string) =>
  defineView({ name, source: visits, entity: ["whose"], eventTime: "at", ttl: "1h", features: () => ({ n: count({ window }) }) });
export const short = define("visits-short", "1h");
export const long = define("visits-long", "7d");
export const other = 7;
`,
  );
  const files = readViewModules([path]);
  expect(files.map((file) => file.path)).toEqual(
    ["visits-long", "visits-short"].map((name) => join(folder, `${name}.yaml`)),
  );
  const view = readFeatureView(files[0]?.text ?? "", "x.yaml", () => ({ whose: "text", at: "instant" }));
  expect(view).toMatchObject({
    name: "visits-long",
    features: [{ name: "n", windowMicros: 604_800_000_000 }],
  });
  expect(readViewModules([])).toEqual([]);
});

test("a module that does not run, or exports no view, is named with what to do", async () => {
  const broken = await module("broken.view.ts", `${head}throw new Error("not today");\n`);
  expect(() => readViewModules([broken])).toThrow(/broken.view.ts does not run: .*not today/);
  const empty = await module("empty.view.ts", "export const nothing = { name: 'x' };\n");
  expect(() => readViewModules([empty])).toThrow(/exports no feature view/);
  const foreign = await module("foreign.view.ts", 'import "some-package-that-is-not-there";\nexport {};\n');
  expect(() => readViewModules([foreign])).toThrow(/some-package-that-is-not-there/);
});
