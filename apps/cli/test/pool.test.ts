import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { money } from "@portolan/kernel";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCli } from "../src/program.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "portolan-pool-"));
  const machines = ["sn,cpu_milli,memory_mib,gpu,model"];
  for (let index = 0; index < 6; index++)
    machines.push(`m${index},64000,262144,${index % 2 === 0 ? 8 : 2},A`);
  const pods = ["name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec"];
  for (let index = 0; index < 60; index++)
    pods.push(`p${index},4000,8192,${[0, 1, 1, 2][index % 4]},${[0, 500, 1000, 1000][index % 4]},`);
  const usage =
    "at,team,gpus\n2026-11-02T00:00:00Z,day,8\n2026-11-02T00:00:00Z,night,0\n2026-11-02T12:00:00Z,day,0\n2026-11-02T12:00:00Z,night,8\n2026-11-03T00:00:00Z,day,0\n2026-11-03T00:00:00Z,night,8\n";
  writeFileSync(join(folder, "machines.csv"), machines.join("\n"));
  writeFileSync(join(folder, "pods.csv"), pods.join("\n"));
  writeFileSync(join(folder, "usage.csv"), usage);
  // Without a byte on the disk.
  writeFileSync(join(folder, "large.csv"), "");
  truncateSync(join(folder, "large.csv"), 2 ** 30);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function pool(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const code = await runCli(["pool", ...args], {
    environment: { cwd: folder, env: {}, root: resolve(import.meta.dirname, "../../..") },
    streams: { out: { write: (text) => (out += text) }, err: { write: (text) => (err += text) } },
  });
  return { code, out, err };
}

/** Text and lines of a drawing lie within it. */
function expectPicture(file: string, words: string): void {
  const svg = readFileSync(join(folder, file), "utf8");
  expect(svg).toContain(words);
  const [, width = "0", height = "0"] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg) ?? [];
  const points = [...svg.matchAll(/points="([^"]+)"/g)].flatMap(([, text = ""]) => text.split(" "));
  expect(points.length).toBeGreaterThan(2);
  for (const point of points) {
    const [x = Number.NaN, y = Number.NaN] = point.split(",").map(Number);
    expect(x >= 0 && x <= Number(width) && y >= 0 && y <= Number(height), point).toBe(true);
  }
}

test("a card's layouts are shown, and packed instances are written for mig-parted, which takes them", async () => {
  const layouts = await pool("layouts", "a30-24gb");
  expect(layouts.out).toContain("5 ways to cut it to the last slice, 4 sets");
  const packed = await pool("pack", "H100-80GB", "1g.10gb=9", "3g.40gb=2", "16GiB=3", "--out", "mig.yaml");
  expect(packed).toMatchObject({ code: 0, err: "" });
  expect(packed.out).toContain("3 x H100-80GB (no fewer are possible)");
  expect((await pool("check", "mig.yaml", "--model", "H100-80GB")).out).toContain("each can stand: packed");
  const wrong = await pool("check", "mig.yaml", "--model", "A30-24GB");
  expect([wrong.code, wrong.err]).toEqual([1, expect.stringContaining("A30-24GB has no profiles")]);
  expect((await pool("pack", "H100-80GB", "1g.10gb", "--out", "mig.yaml")).err).toContain("--force");
  expect((await pool("layouts", "H200-141GB")).out).toContain("inferred from its siblings");
});

test("slices cost their part of a card, and with what nobody has come to the cards, to the billionth", async () => {
  const packed = await pool(
    "pack",
    "H100-80GB",
    "1g.10gb=9",
    "3g.40gb=2",
    "--card-hour",
    "3..4..10",
    "--json",
  );
  const { costs } = JSON.parse(packed.out);
  // Of 21 compute slices nine instances have one each, two have three each, and six are left.
  expect(costs.cards).toEqual({ low: "9 USD", expected: "12 USD", high: "30 USD" });
  expect(costs.profiles).toMatchObject([
    { profile: "1g.10gb", count: 9, part: [1, 7], each: { expected: "0.571428571 USD" } },
    { profile: "3g.40gb", count: 2, part: [3, 7], each: { expected: "1.714285714 USD" } },
  ]);
  const nanos = (text: string): bigint => money(text.slice(0, -4), "USD").nanos;
  const parts = [
    ...costs.profiles.map(({ together }: { together: { high: string } }) => together),
    costs.left,
  ];
  expect(parts.reduce((sum, { high }) => sum + nanos(high), 0n)).toBe(nanos("30 USD"));
  expect([costs.records, costs.warnings]).toEqual([[], []]);
});

test("slices are priced by the book, whose stale records are told, and not at all where it has no such card", async () => {
  const own = [
    "records:",
    "  - { id: ours, resource: gpu_hour, product: A30-24GB, placements: [cloud], price: '0.70', currency: USD, region: any,",
    "      provider: ours, asOf: 2020-01-01, validFor: 30d, source: our contract, confidence: own }",
  ];
  writeFileSync(join(folder, "own.yaml"), `${own.join("\n")}\n`);
  const booked = await pool("pack", "A30-24GB", "1g.6gb=6", "--prices", "own.yaml");
  expect(booked.out).toContain("6 x 1g.6gb       1.0500 USD; each 0.1750 USD, 1/4 of a card");
  expect(booked.out).toContain("! ours is of 2020-01-01 and stale (valid for 30d)");
  const unpriced = await pool("pack", "A30-24GB", "1g.6gb=6");
  expect([unpriced.code, unpriced.out]).toEqual([
    0,
    expect.stringContaining("Not priced: the price book has no gpu_hour"),
  ]);
  expect((await pool("pack", "H200-141GB", "1g.18gb")).out).toContain("prices: gpu-h200");
});

test("policies are compared on the same arrivals, with a picture", async () => {
  const files = ["--machines", "machines.csv", "--pods", "pods.csv"];
  const { code, out } = await pool("simulate", ...files, "--seeds", "2", "--picture", "fill.svg");
  expect(code).toBe(0);
  for (const policy of ["random", "best-fit", "fgd", "least-loss"]) expect(out).toContain(policy);
  expectPicture("fill.svg", "Cards in use as pods arrive");
  const chosen = await pool("simulate", ...files, "--policy", "fgd", "--json");
  expect(JSON.parse(chosen.out)).toMatchObject({
    machines: 6,
    gpus: 30,
    results: [{ policy: "fgd", refusedThoughFeasible: 0 }],
  });
});

test("teams that take turns need one pool of half the cards, with a picture", async () => {
  const { out } = await pool("compare", "--usage", "usage.csv", "--picture", "pool.svg");
  expect(out).toContain("Each for itself: 16 cards, 50.0 % in use.");
  expect(out).toContain("One pool: 8 cards are never short, 100.0 % in use.");
  expectPicture("pool.svg", "16 cards of their own at 50 %, or one pool of 8 at 100 %");
});

test.each([
  [["layouts", "T4"], "Name one of A30-24GB"],
  [["pack", "H100-80GB", "1g.5gb"], "Its profiles are"],
  [["pack", "H100-80GB", "1g.10gb=0"], "no number of instances"],
  [["simulate", "--machines", "pods.csv", "--pods", "pods.csv"], "the header has no column sn"],
  [["simulate", "--machines", "machines.csv", "--pods", "pods.csv", "--policy", "fdg"], "Use some of"],
  [["simulate", "--machines", "machines.csv", "--pods", "pods.csv", "--seeds", "0"], "--seeds"],
  [["compare", "--usage", "usage.csv", "--dedicated", "nobody=3"], 'no usage of the team "nobody"'],
  [["compare", "--usage", "nothing.csv"], "does not exist"],
  [["compare", "--usage", "large.csv"], "at most a million lines"],
] as const)("%j is refused with what to do", async (args, words) => {
  const { code, err } = await pool(...args);
  expect(code).toBe(1);
  expect(err).toContain(words);
});

test("workloads that take turns are stood on cards, and the device plugin's sharing is written and checked", async () => {
  const workloads = ["fraud=15%,12GiB", "churn=5%,4GiB", "rec=45%,24GiB", "big=50%,50GiB"];
  const shared = await pool("share", "--memory", "80GiB", ...workloads, "--out", "sharing.yaml");
  expect([shared.code, shared.err]).toEqual([0, ""]);
  expect(shared.out).toContain("2 cards (no fewer are possible), 3 parts each");
  const checked = await pool("share", "--check", "sharing.yaml");
  expect(checked.out).toContain("nvidia.com/gpu: 3 parts by timeSlicing, asked for as nvidia.com/gpu.shared");
  for (const [args, words] of [
    [["--memory", "8GiB", ...workloads], "fraud asks for 12 GiB"],
    [["--memory", "80GiB", "fraud"], "fraud is no workload"],
    [["--memory", "80", "fraud=1%,1GiB"], "80 is no amount of memory"],
    [["--memory", "80GiB", "fraud=0%,1GiB"], "0% is no share"],
    [["--memory", "80GiB"], "at least one workload"],
    [["--check", "mig.yaml"], "must have required properties sharing"],
  ] as const) {
    const refused = await pool("share", ...args);
    expect([refused.code === 0, refused.err]).toEqual([false, expect.stringContaining(words)]);
  }
});
