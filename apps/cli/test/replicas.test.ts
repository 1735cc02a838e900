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

test("an availability says how many are run and in how many zones: the articles' four", async () => {
  const asked = ["--rate", "20", "--takes", "20ms", "--within", "200ms", "--availability", "99.9"];
  const { out } = await replicas(...asked);
  expect(out).toContain(
    "4 replicas for 20 requests a second at the peak, 1 of them needed at once: 2 serve, 1 for canaries, 1 spare.",
  );
  expect(out).toMatch(/1 +2 +2 +4 +99\.98\d\d % +1\+1 {2}</);
  const { out: json } = await replicas(...asked, "--zones", "2", "--instance", "99.99%", "--json");
  expect(JSON.parse(json)).toMatchObject({
    question: { availability: { target: 0.999, instance: 0.9999 } },
    redundancy: { instances: 4, layout: { zones: 2, serving: 2, spread: [[1, 1]] } },
  });
});

test.each([
  [
    ["--rate", "100", "--takes", "50ms", "--within", "200ms", "--share", "0.99"],
    "no number of replicas: 1.83 %",
  ],
  [["--rate", "many", "--takes", "50ms", "--within", "200ms"], "--rate is no number"],
  [["--rate", "1", "--takes", "50", "--within", "200ms"], "--takes 50 is no duration"],
  [["--rate", "1", "--takes", "1ms", "--within", "2ms", "--spare", "0.5"], "whole numbers"],
  [
    ["--rate", "1", "--takes", "1ms", "--within", "9ms", "--availability", "99.999"],
    "one region of 3 zones: a region alone is down for 0.01 % of the time",
  ],
  [["--rate", "1", "--takes", "1ms", "--within", "9ms", "--availability", "100"], "--availability is no"],
  [["--rate", "1", "--takes", "1ms", "--within", "9ms", "--availability", "99", "--zones", "1.5"], "whole"],
] as const)("%j is refused with what to do", async (args, words) => {
  const { code, err } = await replicas(...args);
  expect(code).toBe(1);
  expect(err).toContain(words);
});
