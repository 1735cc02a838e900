import { describe, expect, test } from "vitest";
import { ExtractionMonitor, type Finding } from "../src/extraction/extraction-monitor.ts";
import { seededDraws } from "../src/extraction/seeded-draws.ts";

const windowQueries = 100;

/** Four correlated columns, and a model that answers by the first two. */
function world(seed: number) {
  const draws = seededDraws(seed);
  const query = (row: Float32Array) => {
    const p = 1 / (1 + Math.exp(-2 * (row[0] ?? 0) - (row[1] ?? 0)));
    return { row, label: p > 0.5 ? 1 : 0, margin: Math.abs(2 * p - 1) };
  };
  const honest = () => {
    const [a, b, c] = [draws.normal(), draws.normal(), draws.normal()];
    return query(Float32Array.of(a, 0.7 * a + 0.7 * b, 3 * b + 10, c > 0 ? 1 : 0));
  };
  const uniform = () => query(Float32Array.from({ length: 4 }, () => 6 * draws.uniform() - 3));
  const monitor = new ExtractionMonitor({
    windowQueries,
    learnQueries: 4000,
    maxClients: 50,
    draws,
    queriesPerDay: 100_000,
  });
  for (let i = 0; i < 4000; i++) monitor.add(`c${i % 8}`, honest());
  return { monitor, honest, uniform, draws };
}

function windowsOf(
  monitor: ExtractionMonitor,
  client: string,
  next: () => ReturnType<ReturnType<typeof world>["honest"]>,
  count: number,
): Finding[] {
  const findings: Finding[] = [];
  for (let window = 0; window < count; window++) {
    for (let i = 0; i < windowQueries; i++) monitor.add(client, next());
    findings.push(...monitor.judge());
  }
  return findings;
}

describe("extraction monitor", () => {
  test("who asks uniformly is suspected after one window and flagged after two", () => {
    const { monitor, uniform } = world(1);
    expect(monitor.learned).toBe(1);
    const kinds = windowsOf(monitor, "thief", uniform, 3).map(({ client, kind }) => [client, kind]);
    expect(kinds).toEqual([
      ["thief", "suspected"],
      ["thief", "flagged"],
      ["thief", "flagged"],
    ]);
  });

  test("half of the queries being honest does not hide the other half", () => {
    const { monitor, honest, uniform, draws } = world(2);
    const findings = windowsOf(monitor, "thief", () => (draws.uniform() < 0.5 ? honest() : uniform()), 2);
    expect(findings.map(({ kind }) => kind)).toEqual(["suspected", "flagged"]);
  });

  test("bisection is seen", () => {
    const { monitor, honest } = world(3);
    let [low, high] = [honest(), honest()];
    let steps = 0;
    const findings = windowsOf(
      monitor,
      "thief",
      () => {
        if (steps++ % 10 === 0) [low, high] = [honest(), honest()];
        const row = Float32Array.from(low.row, (value, at) => (value + (high.row[at] ?? 0)) / 2);
        const p = 1 / (1 + Math.exp(-2 * (row[0] ?? 0) - (row[1] ?? 0)));
        const middle = { row, label: p > 0.5 ? 1 : 0, margin: Math.abs(2 * p - 1) };
        if (middle.label === low.label) low = middle;
        else high = middle;
        return middle;
      },
      2,
    );
    expect(findings.map(({ kind }) => kind)).toEqual(["suspected", "flagged"]);
  });

  test("of thousands of honest windows next to none is suspected, and nobody is flagged", () => {
    const { monitor, honest } = world(4);
    const findings: Finding[] = [];
    for (let round = 0; round < 60; round++) {
      for (let client = 0; client < 20; client++)
        for (let i = 0; i < windowQueries; i++) monitor.add(`c${client}`, honest());
      findings.push(...monitor.judge());
    }
    // Half a per cent of 60 rounds is 0.3; 1,200 windows each at half a per cent would be six.
    expect(findings.filter(({ kind }) => kind === "suspected").length).toBeLessThanOrEqual(3);
    expect(findings.filter(({ kind }) => kind === "flagged")).toEqual([]);
  });

  test("volume beyond any honest use is flagged whatever is asked, and the count ends with its day", () => {
    const { monitor } = world(5);
    const day = 86_400e6;
    monitor.countVolume("greedy", 100_000, day);
    expect(monitor.judge()).toEqual([]);
    monitor.countVolume("greedy", 1, day + 1);
    expect(monitor.judge()).toEqual([{ client: "greedy", kind: "flagged", by: "volume", p: 0 }]);
    monitor.countVolume("greedy", 50_000, 2 * day + 2);
    expect(monitor.judge()).toEqual([]);
  });
});
