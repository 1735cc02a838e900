import type { CharterDocument } from "@portolan/charter/contract";
import { parseCharter, requireValid } from "@portolan/charter/policy";
import { readTemplate, templateNames } from "@portolan/charter/templates";
import { addMoney, formatMoney, parseInstant } from "@portolan/kernel";
import { describe, expect, test } from "vitest";
import { moneyOf } from "../money-texts.ts";
import { planCharter } from "../plan-charter.ts";
import { type PlanDocument, planJson } from "../plan-json.ts";
import { mergePriceBooks, parsePriceFile } from "../price-book.ts";
import { renderPlan } from "../render-plan.ts";
import { readShippedPrices } from "../shipped-prices.ts";
import { parseAssumptions } from "./changed-assumptions.ts";

const now = parseInstant("2026-06-01T00:00:00Z");
const own = (id: string, rest: string) =>
  `  - { id: ${id}, ${rest}, currency: USD, region: any, provider: self, asOf: 2026-05-01, validFor: 365d, source: own books, confidence: own }`;
const both = "placements: [cloud, on_prem]";
/** Of own machines all is dear; spot cores cost a quarter, spot cards almost as much as others. */
const book = mergePriceBooks([
  readShippedPrices(),
  parsePriceFile(
    [
      "records:",
      own("own-core", 'resource: cpu_core_hour, placements: [cloud], price: "0.04"'),
      own("own-core-dear", 'resource: cpu_core_hour, placements: [on_prem], price: "4"'),
      own("own-core-spot", 'resource: cpu_core_hour, placements: [cloud], price: "0.01", pricing: spot'),
      own("own-memory", `resource: memory_gib_hour, ${both}, price: "0.004"`),
      own("own-memory-spot", 'resource: memory_gib_hour, placements: [cloud], price: "0.001", pricing: spot'),
      own("own-disk", `resource: storage_gb_month, ${both}, price: "0.1"`),
      own("own-a100", 'resource: gpu_hour, product: A100-80GB, placements: [cloud], price: "2"'),
      own("own-a100-dear", 'resource: gpu_hour, product: A100-80GB, placements: [on_prem], price: "9"'),
    ].join("\n"),
    "own.yaml",
  ),
]);
const documents = new Map(
  templateNames.map((name) => [name as string, requireValid(parseCharter(readTemplate(name))).document]),
);
const recommendation = documents.get("recommendation") ?? expect.fail("no template");

function planOf(assume: readonly string[], document: CharterDocument = recommendation): PlanDocument {
  return planJson(planCharter(document, book, { now, changed: parseAssumptions(assume) }));
}

const linesOf = (plan: PlanDocument, category: string) =>
  (plan.production?.lines ?? []).filter((line) => line.category === category);

const batch = [
  "batch-rows-per-run=36e6",
  "batch-ms-per-row=1",
  "batch-window-hours=5",
  // Interruptions that hardly ever come, so that an hour of work is an hour that is paid.
  "spot-hours-between-interruptions=1e6",
  "spot-checkpoint-minutes=0.01",
  "spot-restart-minutes=0.01",
  "runtime-gib=1",
  "model-bytes=0",
];

describe("workloads priced apart", () => {
  test("batch inference, by hand: 36 million rows of a millisecond are 10 core hours; 30 runs on spot cores", () => {
    const [cores, memory, ...more] = linesOf(planOf(batch), "batch_inference");
    expect(more).toEqual([]);
    expect(cores?.what).toContain("in 5 hours in the cloud, spot");
    expect(cores?.quantity.expected).toBeCloseTo(300, 0);
    // 300 x 0.01 and 300 GiB hours x 0.001, and less than a hundredth more for checkpoints.
    expect(Number(cores?.cost.expected.split(" ")[0]) / 3).toBeCloseTo(1, 2);
    expect(Number(memory?.cost.expected.split(" ")[0]) / 0.3).toBeCloseTo(1, 2);
  });

  test("batch inference is on demand where interruptions cost more than spot machines save", () => {
    const often = ["spot-hours-between-interruptions=0.5", "spot-checkpoint-minutes=60"];
    const kept = batch.filter((text) => !often.some((other) => other.split("=")[0] === text.split("=")[0]));
    const [cores] = linesOf(planOf([...kept, ...often]), "batch_inference");
    expect(cores?.what).toBe("2 cores in 5 hours in the cloud");
    expect(cores?.cost.expected).toBe("12 USD");
  });

  test("fine-tuning, by hand: 6 x 7e9 parameters x 1e8 tokens x 3 epochs at 140 TFLOP/s are 25 card hours", () => {
    const [line] = linesOf(
      planOf([
        "fine-tuning-tokens=1e8",
        "fine-tuning-epochs=3",
        "fine-tuning-parameters=7e9",
        "flops-per-parameter-token=6",
        "useful-tflops=140",
        "fine-tuning-runs-per-month=2",
      ]),
      "fine_tuning",
    );
    // 1.26e19 / 1.4e14 / 3600 = 25; two runs at 2 USD.
    expect(line?.quantity).toEqual({ low: 50, expected: 50, high: 50 });
    expect(line?.cost.expected).toBe("100 USD");
  });

  test("own machines are no place for it where the use case has none, however cheap their hours are", () => {
    const cheap = mergePriceBooks([
      book,
      parsePriceFile(
        [
          "records:",
          own(
            "own-a100-given",
            'resource: gpu_hour, product: A100-80GB, placements: [on_prem], price: "0.01"',
          ),
        ].join("\n"),
        "given.yaml",
      ),
    ]);
    const changed = parseAssumptions(["fine-tuning-tokens=1e8"]);
    const placed = (name: string) => {
      const document = documents.get(name) ?? expect.fail(name);
      return linesOf(planJson(planCharter(document, cheap, { now, changed })), "fine_tuning")[0]?.what;
    };
    expect(placed("recommendation")).toContain("in the cloud");
    expect(placed("healthcare-readmission")).toContain("on own machines");
  });

  test("retrieval, by hand: a million vectors of 4,096 bytes kept, twice in memory, and cores that search", () => {
    const lines = linesOf(
      planOf([
        "retrieval-vectors=1048576",
        "vector-bytes=4096",
        "vector-index-factor=1.5",
        "retrieval-copies=2",
        "retrieval-queries-per-second=300",
        "retrieval-ms-per-query=6",
        "planned-utilisation=0.6",
      ]),
      "retrieval",
    );
    // 4.294967296 GB; 4 GiB x 1.5 x 2 x 730 h; 300 x 6 ms at 60 % are three cores.
    expect(lines.map(({ quantity }) => quantity.expected)).toEqual([4.294967296, 8760, 2190]);
    expect(lines.map(({ cost }) => cost.expected)).toEqual(["0.4294967 USD", "35.04 USD", "87.6 USD"]);
  });

  const all = ["batch-rows-per-run=1e6", "retrieval-vectors=1e6", "fine-tuning-tokens=1e8"];

  test.each([...documents.keys()])(
    "of %s sum exactly, go from low to high, and change no other line",
    (name) => {
      const document = documents.get(name) ?? expect.fail(name);
      const before = planOf([], document);
      const after = planOf(all, document);
      const apart = ["batch_inference", "retrieval", "fine_tuning"];
      // What scores in batches alone has those of its load.
      for (const category of apart)
        expect(linesOf(before, category)).toHaveLength(
          category === "batch_inference" && before.noReplicas !== undefined ? 2 : 0,
        );
      const rest = (plan: PlanDocument) =>
        (plan.production?.lines ?? []).filter(
          ({ category }) => !apart.includes(category) && category !== "compliance",
        );
      expect(rest(after)).toEqual(rest(before));
      const lines = after.production?.lines ?? [];
      for (const which of ["low", "expected", "high"] as const) {
        const sum = lines.map(({ cost }) => moneyOf(cost[which])).reduce(addMoney);
        expect(formatMoney(sum)).toBe(after.production?.total[which]);
      }
      for (const { cost } of lines.filter(({ category }) => apart.includes(category))) {
        expect(moneyOf(cost.low).nanos <= moneyOf(cost.expected).nanos).toBe(true);
        expect(moneyOf(cost.expected).nanos <= moneyOf(cost.high).nanos).toBe(true);
      }
    },
  );

  test("figures of a workload are listed in the text once it is stated", () => {
    expect(renderPlan(planOf([]))).not.toContain("batch-ms-per-row");
    expect(renderPlan(planOf(all))).toContain("batch-ms-per-row");
  });
});

describe("sizes that the charter states", () => {
  const sized: CharterDocument = {
    ...recommendation,
    workload: {
      ...recommendation.workload,
      batchInference: { rowsPerRun: 36_000_000, every: "1d", timePerRow: "1ms", window: "5h" },
      retrieval: { vectors: 1_048_576, vectorSize: "4096 B", searches: "300 rps", copies: 2 },
      fineTuning: { tokens: 100_000_000, epochs: 3, every: "365h", parameters: 7_000_000_000 },
    },
  };
  /** The rest of the figures, so that each line can be reckoned by hand. */
  const rest = [
    ...batch.filter((text) => !text.startsWith("batch-")),
    "flops-per-parameter-token=6",
    "useful-tflops=140",
    "vector-index-factor=1.5",
    "retrieval-ms-per-query=6",
    "planned-utilisation=0.6",
  ];

  test("are priced from the files alone, by hand", () => {
    const plan = planOf(rest, sized);
    const [cores] = linesOf(plan, "batch_inference");
    // 10 core hours a run; 730 / 24 runs; a fifth less to half as much more, of rows and of the time of each.
    expect(cores?.quantity.expected).toBeCloseTo((10 * 730) / 24, 0);
    expect((cores?.quantity.high ?? 0) / (cores?.quantity.expected ?? 1)).toBeCloseTo(1.5 * 1.5, 2);
    expect(linesOf(plan, "retrieval").map(({ quantity }) => quantity.expected)).toEqual([
      4.294967296, 8760, 2190,
    ]);
    // 25 card hours a run, two runs in 730 h.
    expect(linesOf(plan, "fine_tuning")[0]?.quantity.expected).toBeCloseTo(50, 9);
    expect(renderPlan(plan)).toContain(
      "rows that a batch run scores: 28800000 / 36000000 / 54000000 rows (charter:",
    );
    expect(renderPlan(plan)).toContain("[vector-index-factor]");
  });

  test("give way to what is stated for the plan, and come before what would be assumed", () => {
    const plan = planOf([...rest, "retrieval-copies=3"], sized);
    const of = (key: string) => plan.assumptions.find((one) => one.key === key);
    expect(of("retrieval-copies")).toMatchObject({
      origin: "stated",
      value: { expected: 3 },
      was: { expected: 2 },
      note: "for this plan; without it: stated in workload",
    });
    expect(of("fine-tuning-epochs")).toMatchObject({
      origin: "charter",
      value: { low: 3, expected: 3, high: 3 },
    });
    expect(planOf([...rest, "batch-rows-per-run=0"], sized).production?.lines).not.toContainEqual(
      expect.objectContaining({ category: "batch_inference" }),
    );
  });

  test("are work of the use case, whatever else it does", () => {
    const { kinds: _, ...workload } = sized.workload ?? {};
    const asked = planOf([], { ...sized, workload }).architecture?.workloads.filter(({ asked }) => asked);
    expect(asked?.map(({ workload }) => workload)).toEqual(
      expect.arrayContaining(["inference", "batch_inference", "retrieval", "fine_tuning"]),
    );
  });
});
