import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCli } from "../src/program.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "portolan-own-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function ownOrRent(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const code = await runCli(["own-or-rent", ...args], {
    environment: { cwd: folder, env: {}, root: resolve(import.meta.dirname, "../../..") },
    streams: { out: { write: (text) => (out += text) }, err: { write: (text) => (err += text) } },
  });
  return { code, out, err };
}

const example = ["--cards", "8", "--hours", "400", "--card-price", "35000", "--server", "1.4"];
const costs = ["--cloud-hour", "4.5", "--kwh", "0.12", "--watts", "980", "--running", "3000"];

test("the public calculator's case: months, use, and a picture", async () => {
  const { code, out } = await ownOrRent(...example, ...costs, "--picture", "own.svg", "--json");
  expect(code).toBe(0);
  const answer = JSON.parse(out) as {
    breakEvenMonths: object;
    breakEvenUse: { expected: number };
    ways: { name: string; upfront: { expected: string } }[];
  };
  expect(answer.breakEvenMonths).toEqual({ low: "35.56", expected: "35.56", high: "35.56" });
  expect(answer.breakEvenUse.expected).toBeCloseTo(0.5427, 4);
  expect(answer.ways.find(({ name }) => name === "own")?.upfront.expected).toBe("392000 USD");
  const picture = readFileSync(join(folder, "own.svg"), "utf8");
  expect(picture.match(/<line [^>]*stroke-width="2"/g)).toHaveLength(4);
  expect((await ownOrRent(...example, ...costs, "--picture", "own.svg")).err).toContain("--force");
});

test("cards, power and renting are priced by the book, whose records are named, and peaks make a hybrid of both", async () => {
  const { code, out } = await ownOrRent("--cards", "8", "--hours", "400", "--gpu", "H100", "--peak", "4:50");
  expect(code).toBe(0);
  const prices = out.split("\n").find((line) => line.startsWith("prices: ")) ?? "";
  for (const record of ["gpu-h100-purchase-", "power-us-commercial-", "gpu-h100-aws-"])
    expect(prices).toContain(record);
  expect(out).toContain("hybrid: 8 cards bought, peaks on 4 rented by the hour");
});

test.each([
  [["--hours", "731"], '--hours: "731" is no number of 0 to 730'],
  [["--hours", "500..400..300"], "--hours is not in order"],
  [["--hours", "1..2"], "is no range"],
  [["--card-price", "-1"], "is no amount"],
  [["--cards", "1.5"], "is no whole number"],
  [["--peak", "4"], "--peak names cards and hours"],
  [["--interrupted", "0:1:1"], "--interrupted"],
  [["--gpu", "Z9"], "the price book has no"],
  [["--currency", "EUR"], "no USD to EUR rate is stated"],
])("%j is refused with what is wrong", async (changed, message) => {
  const { code, err } = await ownOrRent(...example, ...changed);
  expect(code).not.toBe(0);
  expect(err).toContain(message);
});
