import { resolve } from "node:path";
import { expect, test } from "vitest";
import { runCli } from "../src/program.ts";

async function replicas(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const code = await runCli(["replicas", ...args], {
    environment: { cwd: ".", env: {}, root: resolve(import.meta.dirname, "../../..") },
    streams: { out: { write: (text) => (out += text) }, err: { write: (text) => (err += text) } },
  });
  return { code, out, err };
}

test("a bank's five million answers a day are counted at their peak, with a spare one", async () => {
  const bank = ["--rate", "5000000/d", "--peak", "3", "--takes", "10ms", "--within", "50ms"];
  const { out } = await replicas(...bank, "--share", "0.99");
  expect(out).toContain("5 replicas: 4 for 173.6 requests a second at the peak, 1 beyond.");
  const { out: json } = await replicas("--rate", "100", "--takes", "50ms", "--within", "200ms", "--json");
  expect(JSON.parse(json)).toMatchObject({ needed: 7, spare: 1, figures: { replicas: 7 } });
});

test.each([
  [
    ["--rate", "100", "--takes", "50ms", "--within", "200ms", "--share", "0.99"],
    "no number of replicas: 1.83 %",
  ],
  [["--rate", "many", "--takes", "50ms", "--within", "200ms"], "--rate is no number"],
  [["--rate", "1", "--takes", "50", "--within", "200ms"], "--takes 50 is no duration"],
  [["--rate", "1", "--takes", "1ms", "--within", "2ms", "--spare", "0.5"], "whole numbers"],
] as const)("%j is refused with what to do", async (args, words) => {
  const { code, err } = await replicas(...args);
  expect(code).toBe(1);
  expect(err).toContain(words);
});
