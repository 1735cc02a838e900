import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { explainSources, sourceFigures } from "../src/policy.ts";

/** Vectors that somebody else reckoned from the articles, beside the checkout where there are any. */
const file = join(import.meta.dirname, "../../../../shared/data/seed-vectors.csv");

interface Vector {
  readonly inputs: string;
  readonly formula: string;
  readonly expected: string;
  readonly verdict: string;
}

function readVectors(): Vector[] {
  const [, ...lines] = readFileSync(file, "utf8").trim().split(/\r?\n/);
  return lines.map((line) => {
    const cells = [...line.matchAll(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/g)].map(([, cell = ""]) =>
      cell.replace(/^"|"$/g, ""),
    );
    const [, , inputs = "", formula = "", expected = "", , verdict = ""] = cells;
    return { inputs, formula, expected, verdict };
  });
}

interface Printed {
  readonly value: number;
  readonly digits: number;
}

/** Figures with as many decimals as they are printed with; names of things, and what is only divided, are none. */
function figuresIn(text: string): Printed[] {
  const plain = text
    .replaceAll("..", " ")
    .replaceAll(/\d+g\.\d+gb|\d+GB|\b[A-Z]+\d+(-\d+)?|1\/7 SM|with 52\/12|\b000\b|seed \d+/gi, " ")
    .replaceAll(/[\d.]+\/[\d.]+=/g, " ");
  return [...plain.matchAll(/\d+(?:\.(\d+))?(e\d+)?/g)].map(([whole, decimals = "", power]) => ({
    value: Number(whole),
    digits: power === undefined ? decimals.length : 0,
  }));
}

/** What a vector comes to: its own column, or where that is in words the formula or the inputs. */
function figuresOf({ expected, formula, inputs }: Vector): Printed[] {
  for (const text of [expected, formula.includes("=") ? formula : "", `${inputs} ${formula}`]) {
    const found = figuresIn(text);
    if (found.length > 0) return found;
  }
  return [];
}

const agreeing = /^(ok|claim conservative|planner modifiers|must be satisfiable)/;

/** The figures of ours that say all that the vector prints, with the verdict that it has. */
function explaining(vector: Vector): typeof sourceFigures {
  const printed = figuresOf(vector);
  expect(printed.length).toBeGreaterThan(0);
  return sourceFigures.filter(
    ({ computed, verdict }) =>
      (verdict === "agrees") === agreeing.test(vector.verdict) &&
      printed.every(({ value, digits }) =>
        computed.some((one) => Math.abs(one.value - value) <= 0.5 * 10 ** -digits + 1e-9),
      ),
  );
}

describe.skipIf(!existsSync(file))("vectors of the articles", () => {
  const vectors = existsSync(file) ? readVectors() : [];

  test("are fifty-one, and nothing else is explained", () => {
    expect(vectors).toHaveLength(51);
    const met = new Set(vectors.flatMap(explaining).map(({ topic }) => topic));
    expect(sourceFigures.map(({ topic }) => topic).filter((topic) => !met.has(topic))).toEqual([]);
  });

  // Named by what they print: ids and topics are the file's own.
  test.each(vectors.map((vector): [string, Vector] => [`${vector.inputs} → ${vector.expected}`, vector]))(
    "%s: comes out to the digit, with its verdict",
    (_, vector) => expect(explaining(vector)).not.toEqual([]),
  );
});

test("what does not come out is explained with both figures", () => {
  const text = explainSources(false);
  for (const figure of sourceFigures) {
    expect(text.includes(`${figure.topic} (`), figure.topic).toBe(figure.verdict !== "agrees");
    if (figure.verdict !== "agrees") expect(figure.note, figure.topic).toBeDefined();
  }
  expect(text).toMatch(
    /The mean price of an A100 \(DIFFERS\)\n.*\n {2}reckoned {2}3\.9567 \$\/GPU-hour\n {2}stated {4}\$3\.85/,
  );
  expect(explainSources(true)).toContain("Five models (agrees)");
});
