import { seededRandom } from "@portolan/numerics";
import { expect, test } from "vitest";
import { binaryMetrics } from "../src/binary-metrics.ts";
import { compareScores } from "../src/compare/compare-scores.ts";
import { compareInThread, measureScores } from "../src/statistics/compute-statistics.ts";

const random = seededRandom(3);
const rows = 200_000;
const labels = Uint8Array.from({ length: rows }, () => Number(random() < 0.4));
const see = (signal: number) =>
  Float64Array.from(labels, (label) => signal * label + (1 - signal) * random());
const [challenger, champion] = [
  { labels, scores: see(0.3) },
  { labels, scores: see(0.2) },
];
const { signal } = new AbortController();

test("another thread says the same, and this one goes on meanwhile", async () => {
  const rule = { metrics: ["roc_auc" as const, "brier_score" as const], margins: {}, level: 0.025 };
  let turns = 0;
  const counting = setInterval(() => turns++, 1);
  const metrics = await measureScores(
    { kind: "measure", scored: challenger, sliced: [], attributes: [] },
    signal,
  );
  const { values } = await compareInThread({ kind: "compare", challenger, champion, rule }, signal);
  clearInterval(counting);
  // Computed here, either would be one turn.
  expect(turns).toBeGreaterThan(20);
  expect(metrics).toEqual(binaryMetrics(challenger));
  expect(values).toEqual(compareScores(challenger, champion, rule));
});

test("what an attribute was made of goes with what was measured by it", async () => {
  const part = { labels: labels.slice(0, 400), scores: challenger.scores.slice(0, 400) };
  const codes = Uint32Array.from(part.labels, (_, row) => row % 2);
  const slices = [{ kind: "texts" as const, column: "ward", texts: ["a", "b"], codes }];
  const fairness = { columns: ["ward"], intersections: false, support: { positives: 30, negatives: 30 } };
  const attributes = [{ name: "ward", expression: "place" }];
  const task = {
    kind: "measure" as const,
    scored: { ...part, slices },
    sliced: ["ward"],
    fairness,
    attributes,
  };
  const { sliced, fairness: groups } = await measureScores(task, signal);
  expect(sliced?.columns[0]?.expression).toBe("place");
  expect(groups?.attributes[0]?.expressions).toEqual({ ward: "place" });
});

test("scores that statistics refuse are refused by name, and a job that ended stops the thread", async () => {
  const one = { labels: new Uint8Array(100), scores: new Float64Array(100) };
  await expect(
    measureScores({ kind: "measure", scored: one, sliced: [], attributes: [] }, signal),
  ).rejects.toMatchObject({
    code: "evaluation.not_scorable",
    detail: expect.stringContaining("two rows of each class") as string,
  });
  const ends = new AbortController();
  const measured = measureScores(
    { kind: "measure", scored: challenger, sliced: [], attributes: [] },
    ends.signal,
  );
  ends.abort(new Error("cancelled"));
  await expect(measured).rejects.toThrow("cancelled");
});
