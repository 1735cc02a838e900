import { resolve } from "node:path";
import { expect, test } from "vitest";
import { runCli } from "../src/program.ts";

async function feedGpus(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const code = await runCli(["feed-gpus", ...args], {
    environment: { cwd: ".", env: {}, root: resolve(import.meta.dirname, "../../..") },
    streams: { out: { write: (text) => (out += text) }, err: { write: (text) => (err += text) } },
  });
  return { code, out, err };
}

// 8 × 2,000 × 100 kB = 1.6 GB/s of a terabyte: 625 s an epoch where nothing waits.
const work = ["--gpus", "8", "--samples", "2000", "--sample", "100kB", "--data", "1TB", "--epochs", "10"];
const object = ["--object", "1", "--object-reads", "1000000", "--nvme", "6", "--gpu-hour", "4"];

test("a plan that starves its GPUs says so, with the time and the money of it, and what would feed them", async () => {
  const { code, out } = await feedGpus(...work, ...object, "--from", "object");
  expect(code).toBe(0);
  expect(out).toContain(
    "8 GPUs together take in 1.6 GB/s (1.6 to 1.6), 200 MB/s each, for 10 epochs of 1000 GB, 1 run a month.",
  );
  // 1,000 s in the place of 625, ten times, of eight cards at 4 an hour.
  expect(out).toMatch(/STARVES its GPUs; they wait 37\.5 % .* 33\.33 USD .* 1000 s in the place of 625 s/);
  expect(out).toContain("With 37.5 % answered by NVMe (375 GB of it) nothing waits after the first epoch.");
  const fed = await feedGpus(...work, ...object, "--from", "object", "--cache", "400GB");
  expect(fed.out).toContain("40.0 % answered by NVMe: feeds its GPUs");
});

test("arrangements come cheapest first, in JSON too, with money that is exact and records of the price book", async () => {
  const { out } = await feedGpus(...work, ...object, "--runs", "20", "--json");
  const { arrangements, question } = JSON.parse(out) as {
    question: { priceRecords: string[] };
    arrangements: { starves: boolean; expected: { source: string; cached: number; total: string } }[];
  };
  expect(question.priceRecords).toContain("object-aws-s3-2026");
  const totals = arrangements.map(({ expected }) => Number(expected.total.split(" ")[0]));
  expect(totals).toEqual(totals.toSorted((a, b) => a - b));
  expect(arrangements.find(({ expected }) => expected.source === "object")).toMatchObject({
    starves: false,
    expected: { cached: 0.375 },
  });
});

test.each([
  [["--sample", "0B"], '--sample "0B" is no size'],
  [["--sample", "many"], '--sample "many" is no size'],
  [["--data", "3TB..2TB..1TB"], "--data is not in order"],
  [["--epochs", "1.5"], "--epochs 1.5 is no whole number"],
  [["--gpus", "0"], "--gpus"],
  [["--cache", "1GB"], "a cache stands before a tier"],
  [["--from", "nvme", "--cache", "1GB"], "NVMe needs no cache"],
  [["--from", "hdd", "--cache", "1GB", "--cache-hit", "0.5"], "a cache is said once"],
  [["--from", "tape"], "tape"],
  [["--gpu", "Z9"], "the price book has no gpu_hour"],
])("%j is refused with what is wrong", async (changed, message) => {
  const { code, err } = await feedGpus(...work, ...changed);
  expect(code).not.toBe(0);
  expect(err).toContain(message);
});
