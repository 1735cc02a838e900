import { asEpochMicros, formatDecimal, parseInstant } from "@portolan/kernel";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { allocateBill } from "../allocate-bill.ts";
import { partsPerUnit } from "../quantity.ts";
import { readBill } from "../read-lines.ts";
import { rollUp } from "../roll-up.ts";
import { unitCosts } from "../statement/unit-costs.ts";
import { judgeRecords } from "./judge-records.ts";
import { boundsOf, parsePeriod, periodOf } from "./period.ts";
import { readUsageJson, readUsageRecords } from "./read-records.ts";
import { recordedCounts } from "./recorded-counts.ts";
import { countedAs, countedText, parseCounted } from "./resources.ts";
import { statementLines } from "./statement-lines.ts";
import { splitByPeriod, type UsageRecord } from "./usage-record.ts";

const tenant = {
  businessUnit: "finance",
  team: "risk",
  useCase: "fraud",
  model: "",
  environment: "production",
};
const at = parseInstant;
const record = (rest: Partial<UsageRecord> = {}): UsageRecord => ({
  source: "import/test",
  id: "a",
  meter: "pod-1",
  tenant,
  resource: "cpu_hours",
  quantity: 10n,
  start: at("2026-11-03T00:00:00Z"),
  end: at("2026-11-03T01:00:00Z"),
  ...rest,
});
const instants = fc
  .tuple(fc.integer({ min: 0, max: 400 * 86_400 }), fc.integer({ min: 0, max: 300 * 86_400 }))
  .map(([first, length]) => ({
    start: asEpochMicros(at("2026-01-15T00:00:00Z") + first * 1_000_000),
    end: asEpochMicros(at("2026-01-15T00:00:00Z") + (first + length) * 1_000_000),
  }));

describe("months", () => {
  test("a record that spans months lies in each with its part, and the parts are the record", () => {
    fc.assert(
      fc.property(instants, fc.bigInt({ min: 0n, max: 10n ** 24n }), (stretch, quantity) => {
        const parts = splitByPeriod(record({ ...stretch, quantity }));
        expect(parts.reduce((sum, part) => sum + part.quantity, 0n)).toBe(quantity);
        expect(parts[0]?.start).toBe(stretch.start);
        expect(parts.at(-1)?.end).toBe(stretch.end);
        for (const [index, { period, start, end }] of parts.entries()) {
          const bounds = boundsOf(period);
          expect(start >= bounds.start && end <= bounds.end && start <= end).toBe(true);
          if (index > 0) expect(start).toBe(parts[index - 1]?.end);
        }
      }),
    );
  });

  test("a day on which clocks are changed has 24 hours, and its month the ends of UTC", () => {
    // Central Europe goes back at 2026-10-25T01:00Z: that local day has 25 hours, and in UTC all of them lie in October.
    const day = record({ start: at("2026-10-24T22:00:00Z"), end: at("2026-10-25T23:00:00Z"), quantity: 25n });
    expect(splitByPeriod(day)).toMatchObject([{ period: "2026-10", quantity: 25n }]);
    // Its October ends at 23:00Z by the wall; here it ends at midnight of UTC.
    const night = record({
      start: at("2026-10-31T23:00:00Z"),
      end: at("2026-11-01T01:00:00Z"),
      quantity: 7n,
    });
    expect(splitByPeriod(night).map(({ period, quantity }) => [period, quantity])).toEqual([
      ["2026-10", 4n],
      ["2026-11", 3n],
    ]);
    expect(periodOf(at("2026-10-31T23:59:59.999999Z"))).toBe("2026-10");
    expect(() => parsePeriod("2026-13")).toThrow(/no month/);
    expect(() => parsePeriod("2026-1")).toThrow(/no month/);
  });

  test("what takes no time lies in its month", () => {
    const moment = at("2026-11-01T00:00:00Z");
    expect(splitByPeriod(record({ start: moment, end: moment }))).toMatchObject([
      { period: "2026-11", quantity: 10n },
    ]);
  });
});

describe("records that cannot be", () => {
  const now = at("2026-11-10T00:00:00Z");
  const faults = (...records: UsageRecord[]) =>
    judgeRecords(records, now, (index) => ({ pointer: `/records/${index}` })).map(({ detail }) => detail);

  test.each([
    ["negative quantity", record({ quantity: -1n }), /negative/],
    ["a clock that was set back", record({ end: at("2026-11-02T00:00:00Z") }), /set back/],
    ["a clock that is ahead", record({ end: at("2026-11-10T00:05:01Z") }), /ahead/],
    ["an age", record({ start: at("2025-01-01T00:00:00Z") }), /longer than a year/],
    ["the last century", record({ start: at("1970-01-01T00:00:00Z") }), /before the year 2000/],
    ["no quantity of this world", record({ quantity: 10n ** 31n }), /more than anybody/],
  ])("%s is said", (_what, one, words) => {
    expect(faults(one)).toEqual([expect.stringMatching(words)]);
    expect(faults(record())).toEqual([]);
  });

  test("one meter counts a moment once, wherever the overlap hides; two meters, and neighbours, may stand side by side", () => {
    const long = record({ id: "long", end: at("2026-11-03T09:00:00Z") });
    const within = record({ id: "b", start: at("2026-11-03T01:00:00Z"), end: at("2026-11-03T02:00:00Z") });
    const later = record({ id: "c", start: at("2026-11-03T03:00:00Z"), end: at("2026-11-03T04:00:00Z") });
    expect(faults(later, within, long)).toEqual([
      expect.stringMatching(/^b overlaps long/),
      expect.stringMatching(/^c overlaps long/),
    ]);
    expect(faults(long, { ...within, meter: "pod-2" }, { ...later, resource: "gpu_hours" })).toEqual([]);
    expect(
      faults(record(), record({ id: "next", start: record().end, end: at("2026-11-03T02:00:00Z") })),
    ).toEqual([]);
    expect(faults(record(), record())).toContainEqual(expect.stringMatching(/there twice/));
  });
});

describe("quantities", () => {
  test("text and whole numbers are the same, for every resource", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(
          "gpu_hours",
          "cpu_hours",
          "storage_gb_months",
          "memory_gib_hours",
          "egress_gb",
          "requests",
          "widgets",
        ),
        fc.bigInt({ min: 0n, max: 10n ** 15n }),
        (resource, quantity) => {
          const counted = countedAs(resource);
          const text = countedText(quantity, counted);
          expect(parseCounted(text, counted)).toBe(quantity);
        },
      ),
    );
  });

  test("parts of cards are whole, four quarters are a card, and what is no number is none", () => {
    const gpu = countedAs("gpu_hours");
    for (const part of ["1/2", "1/3", "1/4", "1/7", "1/8", "3/7", "0.5"])
      expect(parseCounted(part, gpu)).toBeDefined();
    expect((parseCounted("1/4", gpu) ?? 0n) * 4n).toBe(parseCounted("1", gpu));
    for (const bad of ["-1", "1e3", "", "1/0", "0x1", "1.5.2", "NaN", " "])
      expect(parseCounted(bad, gpu), bad).toBeUndefined();
    expect(parseCounted("0.5", countedAs("requests"))).toBeUndefined();
  });
});

describe("files", () => {
  const lines = `business_unit,team,use_case,environment,resource,quantity
finance,risk,fraud,production,gpu_hours,5760
marketing,growth,recommendation,production,gpu_hours,3840
research,lab,,dev,gpu_hours,8640
`;
  test("a statement's file is usage of a month; what is recorded of it makes the articles' report again", () => {
    const records = readUsageRecords(lines, "u.csv", "import/u", "2026-11");
    expect(records.map(({ quantity }) => quantity / countedAs("gpu_hours").perUnit)).toEqual([
      5760n,
      3840n,
      8640n,
    ]);
    expect(records[0]).toMatchObject(boundsOf("2026-11"));
    const usage = statementLines(
      records.map((one) => ({ ...one })),
      new Set(["gpu_hours"]),
    );
    // The articles' own price, 3.85 an hour on 36,000 hours of 50 cards: 22,176, 14,784 and 33,264; the rest was used by nobody.
    const bill = readBill(
      "line,kind,amount,currency,capacity\ngpu_hours,metered,138600,USD,36000\n",
      "b.csv",
    );
    const allocation = allocateBill(bill, usage, { idle: "separate", shared: "proportional" });
    expect(
      rollUp(allocation, "team").map(({ names, total }) => [names.join("/"), total.nanos / 1_000_000_000n]),
    ).toEqual([
      ["research/lab", 33_264n],
      ["finance/risk", 22_176n],
      ["marketing/growth", 14_784n],
    ]);
  });

  test("recorded usage counts its inferences and runs, and each is divided by what was used for it", () => {
    const of = (model: string) => ({ ...tenant, model });
    const core = countedAs("cpu_hours").perUnit;
    const recorded = [
      { tenant: of("mlp"), resource: "cpu_hours", quantity: 3n * core, activity: "serving" },
      { tenant: of("mlp"), resource: "requests", quantity: 60_000n, activity: "serving" },
      // Reads of features, which no model answers.
      { tenant: of(""), resource: "requests", quantity: 999n, activity: "serving" },
      { tenant: of(""), resource: "cpu_hours", quantity: core, activity: "training" },
      { tenant: of(""), resource: "training_runs", quantity: 4n, activity: "training" },
      { tenant: of("mlp"), resource: "cpu_hours", quantity: 6n * core, activity: "scoring" },
      { tenant: of("mlp"), resource: "scored_rows", quantity: 2000n * 840_000_000n, activity: "scoring" },
    ];
    const usage = statementLines(recorded, new Set(["cpu_hours"]));
    const bill = readBill(
      "line,kind,amount,currency\ncpu_hours,metered,100,USD\nsupport,shared,10,USD\n",
      "b.csv",
    );
    const allocation = allocateBill(bill, usage, { idle: "separate", shared: "proportional" });
    const costs = [...unitCosts(allocation, usage, recordedCounts(recorded), "useCase").values()].flat();
    // 33 of serving, 11 of training and 66 of scoring, support included.
    expect(costs.map(({ what, count, cost }) => [what, count, formatDecimal(cost)])).toEqual([
      ["inferences", 60_000n, "0.55"],
      ["scored_rows", 2000n, "33"],
      ["training_runs", 4n, "2.75"],
    ]);
  });

  test("the same file again is the same records, and a corrected quantity keeps its id", () => {
    const ids = (text: string) => readUsageRecords(text, "u.csv", "import/u", "2026-11").map(({ id }) => id);
    expect(ids(lines)).toEqual(ids(lines));
    expect(ids(lines.replace("5760", "5761"))).toEqual(ids(lines));
    expect(new Set(ids(lines)).size).toBe(3);
  });

  test("each fault has its line; JSON comes back as it was written", () => {
    const read = (text: string, period?: string) => () => readUsageRecords(text, "u.csv", "s", period);
    expect(read(lines)).toThrow(/line 2.*no month is named/);
    expect(read(lines.replace("3840", "-3840"), "2026-11")).toThrow(/line 3.*no decimal/);
    expect(read(lines.replace("finance", ""), "2026-11")).toThrow(/line 2.*empty/);
    const timed =
      "business_unit,team,resource,quantity,start,end\nfinance,risk,gpu_hours,1,2026-11-01T00:00:00,2026-11-02T00:00:00Z\n";
    expect(read(timed)).toThrow(/line 2.*start/);
    const written = JSON.stringify({ records: [{ ...record(), quantity: "10" }] });
    expect(readUsageJson(written, "u.json", "import/test")).toEqual([record()]);
    expect(() => readUsageJson('{"records":[{"id":"a"}]}', "u.json", "s")).toThrow(/record 0 lacks/);
    expect(() => readUsageJson("{", "u.json", "s")).toThrow(/no JSON/);
  });

  test("hours of cards say how busy they were where that was recorded, and what is not billed is no line", () => {
    const tenant = (team: string) => ({
      businessUnit: "research",
      team,
      useCase: "",
      model: "",
      environment: "dev",
    });
    const hour = countedAs("gpu_hours").perUnit;
    const found = statementLines(
      [
        { tenant: tenant("lab"), resource: "gpu_hours", quantity: 100n * hour },
        { tenant: tenant("lab"), resource: "gpu_busy_hours", quantity: 2n * hour },
        { tenant: tenant("field"), resource: "gpu_hours", quantity: 10n * hour },
        { tenant: tenant("field"), resource: "requests", quantity: 5n },
      ],
      new Set(["gpu_hours"]),
    );
    expect(found.map(({ tenant: { team }, resource, utilisation }) => [team, resource, utilisation])).toEqual(
      [
        ["field", "gpu_hours", undefined],
        ["lab", "gpu_hours", 0.02],
      ],
    );
  });

  test("statements round each total once, and in whatever order usage comes", () => {
    const names = fc.constantFrom("a", "b", "c", "d");
    const usage = fc.array(
      fc
        .record({ team: names, quantity: fc.bigInt({ min: 0n, max: 10n ** 14n }) })
        .map(({ team, quantity }) => ({
          tenant: { ...tenant, team },
          resource: "cpu_hours",
          quantity,
        })),
      { minLength: 1, maxLength: 12 },
    );
    fc.assert(
      fc.property(usage, (lines) => {
        const billed = new Set(lines.map(({ resource }) => resource));
        const read = statementLines(lines, billed);
        const total = lines.reduce((sum, { quantity }) => sum + quantity, 0n);
        const parts = read.reduce((sum, { quantity }) => sum + quantity, 0n);
        const { perUnit } = countedAs("cpu_hours");
        const off = parts * perUnit - total * partsPerUnit;
        expect((off < 0n ? -off : off) * 2n <= perUnit).toBe(true);
        expect(statementLines(lines.toReversed(), billed)).toEqual(read);
      }),
    );
  });
});

test("a bill's line of bytes that scorings wrote is split by them, and nothing of it is lost; a bill without one shows none", () => {
  const wrote = (useCase: string, quantity: bigint) => ({
    tenant: { ...tenant, useCase },
    resource: "scoring_written_gb",
    quantity,
  });
  const usage = [
    wrote("fraud", 1_000_000_003n),
    wrote("churn", 2_000_000_006n),
    wrote("fraud", 999_999_997n),
  ];
  const bill = readBill(
    "line,kind,amount,currency,capacity\nscoring_written_gb,metered,4.000000009,USD,\n",
    "b.csv",
  );
  const lines = statementLines(usage, new Set(["scoring_written_gb"]));
  const allocation = allocateBill(bill, lines, { idle: "separate", shared: "proportional" });
  const shares = rollUp(allocation, "useCase").map(({ names, total }) => [names.at(-1), total.nanos]);
  // By rule of three; a part of a gigabyte is a byte and a fifth, so that each share may be off by that.
  const part = (bytes: bigint) => Number((4_000_000_009n * bytes * 1000n) / 4_000_000_006n) / 1000;
  const share = Object.fromEntries(shares) as Record<string, bigint>;
  expect((share["fraud"] ?? 0n) + (share["churn"] ?? 0n)).toBe(4_000_000_009n);
  for (const [name, bytes] of [
    ["fraud", 2_000_000_000n],
    ["churn", 2_000_000_006n],
  ] as const)
    expect(Math.abs(Number(share[name]) - part(bytes)), name).toBeLessThan(3);
  expect(statementLines(usage, new Set(["gpu_hours"]))).toEqual([]);
});
