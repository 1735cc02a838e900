import { cellStatuses } from "@portolan/features/policy";
import { asEpochMicros, formatInstant } from "@portolan/kernel";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { FeaturePlan } from "../../snapshot/schema.ts";
import { featureQuestions, writeFeatures } from "./features-answer.ts";

const at = asEpochMicros(1_800_000_000_000_001);
const [present, isNull, outside] = ["present", "null", "outside_max_age"].map((status) =>
  cellStatuses.findIndex((one) => one === status),
);

function aPlan(maxAgeMs: number | null): FeaturePlan {
  return { service: 's"é', entityKeys: ["k"], views: [], columns: [], maxAgeMs };
}

interface Cell {
  readonly status: number;
  readonly value: number | string;
}

/** Texts lie in an order of their own, with something between them, as a store may have them. */
function columnsOf(asOf: readonly number[], cells: readonly Cell[]) {
  const places = cells.map(() => ({ start: 0, end: 0 }));
  let text = Buffer.from("#");
  for (const [index, { value }] of [...cells.entries()].toReversed()) {
    const json = Buffer.from(JSON.stringify(value));
    places[index] = { start: text.length, end: text.length + json.length };
    text = Buffer.concat([text, json, Buffer.from("#")]);
  }
  return {
    asOf: Float64Array.from(asOf),
    statuses: Uint8Array.from(cells, ({ status }) => status),
    starts: Uint32Array.from(places, ({ start }) => start),
    ends: Uint32Array.from(places, ({ end }) => end),
    text,
  };
}

const aRow = fc.record({
  asOf: fc.constantFrom(at - 1, at - 5_000_000, at - 5_000_001, Number.NaN),
  cells: fc.array(
    fc.record({
      status: fc.constantFrom(...cellStatuses.keys()),
      value: fc.oneof(
        fc.double({ noNaN: true, noDefaultInfinity: true }).map((one) => one + 0),
        // Longer than any number, also in bytes.
        fc.string({ unit: "binary", maxLength: 60 }),
        fc.constant("\u{1f6eb}".repeat(63)),
      ),
    }),
    { minLength: 2, maxLength: 2 },
  ),
});

test("the answer is the JSON of its values, statuses and times, and counts what it says", () => {
  fc.assert(
    fc.property(
      fc.array(aRow, { minLength: 1, maxLength: 40 }),
      fc.constantFrom(null, 5000),
      (rows, maxAgeMs) => {
        const features = ['a"\u2028', "ü"];
        const views = ["v@1", "w@1"].map((name) => ({ name, digest: "d", entityKeys: ["k"], features }));
        const columns = columnsOf(
          rows.map(({ asOf }) => asOf),
          features.flatMap((_, feature) =>
            rows.map(({ cells }) => cells[feature] ?? { status: 0, value: 0 }),
          ),
        );
        const statusOf = (asOf: number, { status }: Cell): number =>
          maxAgeMs !== null && at - asOf > 5_000_000 && (status === present || status === isNull)
            ? (outside ?? -1)
            : status;
        const counts = new Map<string, number>();
        const view = (name: string) => ({
          name,
          event_times: rows.map(({ asOf }) =>
            Number.isNaN(asOf) ? null : formatInstant(asEpochMicros(asOf)),
          ),
          features: features.map((feature, index) => ({
            name: feature,
            values: rows.map(({ asOf, cells }) => {
              const cell = cells[index] ?? { status: 0, value: 0 };
              return statusOf(asOf, cell) === present ? cell.value : null;
            }),
            statuses: rows.map(({ asOf, cells }) => {
              const status = cellStatuses[statusOf(asOf, cells[index] ?? { status: 0, value: 0 })] ?? "";
              counts.set(status, (counts.get(status) ?? 0) + 1);
              return status;
            }),
          })),
        });
        const expected = { endpoint: "e\n", service: 's"é', at: formatInstant(at), rows: rows.length };
        const answer = writeFeatures(
          { endpoint: "e\n", plan: aPlan(maxAgeMs), views },
          rows.length,
          [columns, columns],
          at,
        );
        const text = JSON.stringify({ ...expected, views: views.map(({ name }) => view(name)) });
        expect(Buffer.from(answer.body).toString("utf8")).toBe(text);
        expect(Object.fromEntries(answer.counts)).toEqual(Object.fromEntries(counts));
      },
    ),
  );
});

test("names that are long and values that are many find room", () => {
  const features = ["x".repeat(5000)];
  const rows = 1000;
  const cells = Array.from({ length: rows }, () => ({
    status: present ?? 0,
    value: -1.7976931348623157e308,
  }));
  const views = [{ name: "v@1", digest: "d", entityKeys: ["k"], features }];
  const asked = { endpoint: "e", plan: aPlan(null), views };
  const { body } = writeFeatures(asked, rows, [columnsOf(Array<number>(rows).fill(at), cells)], at);
  const answer = JSON.parse(Buffer.from(body).toString("utf8")) as {
    views: { features: { name: string; values: number[]; statuses: string[] }[] }[];
  };
  expect(answer.views[0]?.features).toEqual([
    {
      name: features[0],
      values: cells.map(({ value }) => value),
      statuses: Array<string>(rows).fill("present"),
    },
  ]);
});

test("views of the same entity keys are asked with one list of them", () => {
  const view = (name: string, entityKeys: string[]) => ({ name, digest: "d", entityKeys, features: ["f"] });
  const questions = featureQuestions([view("v@1", ["a"]), view("w@1", ["a"]), view("x@1", ["b", "a"])], {
    endpoint: "e",
    rows: 2,
    entities: new Map([
      ["a", ["1", "2"]],
      ["b", ["3", "4"]],
    ]),
  });
  expect(questions.map(({ keys }) => keys)).toEqual([
    [["1"], ["2"]],
    [["1"], ["2"]],
    [
      ["3", "1"],
      ["4", "2"],
    ],
  ]);
  expect(questions[0]?.keys).toBe(questions[1]?.keys);
});
