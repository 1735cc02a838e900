import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCli } from "../src/program.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "portolan-procure-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function procure(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const code = await runCli(["procure", ...args], {
    environment: { cwd: folder, env: {}, root: resolve(import.meta.dirname, "../../..") },
    streams: { out: { write: (text) => (out += text) }, err: { write: (text) => (err += text) } },
  });
  return { code, out, err };
}

const load = ["--percentiles", "75:4,100:10"];
const prices = ["--card-price", "30000", "--server", "1.4", "--watts", "1000", "--kwh", "0.12"];
const rents = ["--cloud-hour", "3.9", "--reserved-1y", "2.7", "--reserved-3y", "1.8", "--spot-hour", "2"];

test("each part of the load is had where it is cheapest, for the money of the sums by hand, with a picture", async () => {
  const { code, out } = await procure(...load, ...prices, ...rents, "--picture", "mix.svg", "--json");
  expect(code).toBe(0);
  const answer = JSON.parse(out) as {
    costs: { expected: object };
    breakEven: { way: string; onDemand: number }[];
  };
  // 1.8 × 26,280 hours reserved, or 42,000 and 26,280 × 0.12 owned; six cards are rented for a quarter of the time.
  expect(answer).toMatchObject({
    peak: 10,
    mix: { own: 4, reserved_1y: 0, reserved_3y: 0 },
    costs: {
      expected: {
        own: "180614.4 USD",
        onDemand: "153738 USD",
        spot: "0 USD",
        total: "334352.4 USD",
        onDemandHours: 39_420,
      },
    },
  });
  expect(answer.breakEven.find(({ way }) => way === "own")?.onDemand).toBeCloseTo(42_000 / 26_280 / 3.78, 12);
  const picture = readFileSync(join(folder, "mix.svg"), "utf8");
  expect(picture.match(/<polygon /g)).toHaveLength(2);
  expect((await procure(...load, ...prices, ...rents, "--picture", "mix.svg")).err).toContain("--force");
});

test("what is bound for longer than the load lasts is paid to its end, and who may not buy reserves", async () => {
  const year = await procure(...load, ...prices, ...rents, "--horizon", "12");
  expect(year.out).toContain("4 reserved for a year, up to 6 rented by the hour");
  const without = await procure(...load, ...prices, ...rents, "--without", "own,reserved-1y");
  expect(without.out).toContain("4 reserved for three years, up to 6 rented by the hour");
  expect(without.out).toContain("without own: left out by --without");
});

test("a file of a day says what may be interrupted, which is done on spot machines; what the book does not price is left out with the reason", async () => {
  const rows = Array.from({ length: 24 }, (_, at) => {
    const cards = at >= 8 && at < 16 ? 9 : 2;
    return `2026-11-02T${String(at).padStart(2, "0")}:00:00Z,${cards},${cards - 2}`;
  });
  writeFileSync(join(folder, "day.csv"), ["time,quantity,interruptible", ...rows, ""].join("\n"));
  const { out } = await procure("--load", "day.csv", ...prices, ...rents);
  expect(out).toContain("2 owned, up to 7 rented by the hour");
  // 7 cards for a third of three years.
  expect(out).toContain("61320 hours of work on spot machines");
  const booked = await procure("--load", "day.csv", "--gpu", "A100", "--json");
  const { prices: used } = JSON.parse(booked.out) as { prices: { records: string[]; leftOut: object[] } };
  expect(used.records).toContain("gpu-a100-purchase-used-2026");
  expect(used.leftOut).toContainEqual({
    way: "spot",
    why: "the price book has no gpu_hour for cloud (A100), spot",
  });
});

test.each([
  [[], "the load is said once"],
  [[...load, "--load", "day.csv"], "the load is said once"],
  [["--percentiles", "50:4"], "the last is not that of 100 %"],
  [["--percentiles", "50:4:1,100:5"], "is no PERCENT:CARDS"],
  [["--percentiles", "100:many"], '--percentiles: "many" is no number'],
  [[...load, "--interruptible", "1.5"], '--interruptible: "1.5" is no number of 0 to 1'],
  [[...load, "--horizon", "0"], "--horizon"],
  [[...load, "--without", "stealing"], "is no way to have cards"],
  [[...load, "--cloud-hour", "5..4..3"], "--cloud-hour is not in order"],
  [[...load, "--gpu", "Z9"], "the price book has no gpu_hour"],
])("%j is refused with what is wrong", async (args, message) => {
  const { code, err } = await procure(...args);
  expect(code).not.toBe(0);
  expect(err).toContain(message);
});
