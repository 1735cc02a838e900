import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCli } from "../src/program.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "portolan-forecast-"));
  const days = Array.from({ length: 60 }, (_, day) => {
    const date = day < 30 ? `2026-09-${day + 1}` : `2026-10-${day - 29}`;
    return `${date.replace(/-(\d)$/, "-0$1")},${10 + (day % 7) + day / 10}`;
  });
  writeFileSync(join(folder, "days.csv"), ["time,quantity", ...days].join("\n"));
  writeFileSync(join(folder, "gap.csv"), ["time,quantity", ...days.toSpliced(20, 2)].join("\n"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function forecast(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const code = await runCli(["forecast", ...args], {
    environment: { cwd: folder, env: {}, root: resolve(import.meta.dirname, "../../..") },
    streams: { out: { write: (text) => (out += text) }, err: { write: (text) => (err += text) } },
  });
  return { code, out, err };
}

test("a growing week is continued, with times, what it was worth, and a picture", async () => {
  const { code, out } = await forecast(
    "days.csv",
    "--season",
    "7",
    "--horizon",
    "14",
    "--picture",
    "days.svg",
    "--json",
  );
  expect(code).toBe(0);
  const answer = JSON.parse(out) as {
    beatsBaseline: boolean;
    step: string;
    steps: { time: string; expected: number }[];
  };
  expect(answer).toMatchObject({ beatsBaseline: true, step: "1 d", past: 60, level: 0.8 });
  expect(answer.steps).toHaveLength(14);
  expect(answer.steps[0]?.time).toBe("2026-10-31T00:00:00Z");
  for (const [index, { expected }] of answer.steps.entries())
    expect(expected).toBeCloseTo(10 + ((60 + index) % 7) + (60 + index) / 10, 0);
  const picture = readFileSync(join(folder, "days.svg"), "utf8");
  expect(picture.match(/<polyline /g)).toHaveLength(2);
  expect(picture).toContain("<polygon ");
  expect(
    (await forecast("days.csv", "--season", "7", "--horizon", "14", "--picture", "days.svg")).err,
  ).toContain("--force");
});

test("the text says whether the baseline was beaten, and what intervals held", async () => {
  const { out } = await forecast("days.csv", "--season", "7", "--horizon", "14");
  expect(out).toContain("Better than the baseline at the");
  expect(out).toMatch(/held of 80 %/);
  expect(out).toMatch(/2026-10-31T00:00:00Z {2}20 /);
});

test.each([
  [
    ["gap.csv", "--season", "7", "--horizon", "7"],
    "gap.csv:22:1: time: 2026-09-23T00:00:00Z follows 2026-09-20T00:00:00Z",
  ],
  [["days.csv", "--season", "24", "--horizon", "168"], "60 values are too few"],
  [["days.csv", "--season", "0", "--horizon", "7"], '--season "0" is no whole number of 1 to 10000'],
  [["days.csv", "--season", "7", "--horizon", "1.5"], '--horizon "1.5" is no whole number'],
  [["days.csv", "--season", "7", "--horizon", "7", "--level", "80"], '--level "80" is no share'],
  [["none.csv", "--season", "7", "--horizon", "7"], "none.csv"],
])("what cannot be forecast is refused: %j", async (args, why) => {
  const { code, out, err } = await forecast(...args);
  expect(code).not.toBe(0);
  expect(out).toBe("");
  expect(err).toContain(why);
});
