import { type MigModel, migModels } from "@portolan/capacity/policy";
import type { CharterDocument } from "@portolan/charter/contract";
import { parseCharter, requireValid } from "@portolan/charter/policy";
import { readTemplate } from "@portolan/charter/templates";
import { addMoney, formatMoney, parseInstant } from "@portolan/kernel";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseAssumptions } from "../costs/changed-assumptions.ts";
import { moneyOf } from "../money-texts.ts";
import { planCharter } from "../plan-charter.ts";
import { type PlanDocument, planJson } from "../plan-json.ts";
import { mergePriceBooks, parsePriceFile } from "../price-book.ts";
import { readShippedPrices } from "../shipped-prices.ts";
import { planPortfolio } from "./portfolio.ts";

const now = parseInstant("2026-06-01T00:00:00Z");
const own = (id: string, product: string, price: string) =>
  `  - { id: ${id}, resource: gpu_hour, product: ${product}, placements: [cloud], price: "${price}", currency: USD, region: any, provider: self, asOf: 2026-05-01, validFor: 365d, source: own books, confidence: own }`;
const book = mergePriceBooks([
  readShippedPrices(),
  parsePriceFile(`records:\n${own("own-l4", "L4", "1")}\n${own("own-a100", "A100-80GB", "2")}\n`, "own.yaml"),
]);
const recommendation = requireValid(parseCharter(readTemplate("recommendation"))).document;

interface Asked {
  readonly name: string;
  readonly assume?: readonly string[];
  readonly document?: Partial<CharterDocument["nonNegotiables"]>;
}

/** A use case whose model takes a large card, in one zone and with one replica, unless it asks for more. */
function planOf({ name, assume = [], document = {} }: Asked): PlanDocument {
  const charter: CharterDocument = {
    ...recommendation,
    useCase: { ...recommendation.useCase, name },
    nonNegotiables: { ...recommendation.nonNegotiables, regulations: [], ...document },
  };
  const figures = new Map(
    [
      "model-bytes=15e9",
      "gpu-memory-factor=1",
      "gpu-busy=0.2",
      "active-gpus=1",
      "redundant-replicas=0",
      "serving-regions=1",
      ...assume,
    ].map((text) => [text.split("=")[0], text]),
  );
  const changed = parseAssumptions([...figures.values()]);
  return planJson(planCharter(charter, book, { now, changed }));
}

const poolingOf = (plans: readonly PlanDocument[]) =>
  planPortfolio(plans).pooling ?? expect.fail("nothing answers on cards");

describe("cards of a portfolio, pooled,", () => {
  test("by hand: four models of 15 GB are four cards at 2 USD; 2g.20gb stands three times on one, so two are enough", () => {
    const pooling = poolingOf(["a", "b", "c", "d"].map((name) => planOf({ name })));
    const [pool] = pooling.pools;
    expect(pooling.pools).toHaveLength(1);
    expect(pool?.useCases.map(({ slice }) => slice)).toEqual(Array(4).fill("2g.20gb"));
    expect(pool?.cards.expected).toBe(2);
    // 730 hours: 4 x 1460, 2 x 1460; each of four like ones a quarter.
    expect(pool?.dedicated.expected).toBe("5840 USD");
    expect(pool?.pooled.expected).toBe("2920 USD");
    expect(pooling.saving.expected).toBe("2920 USD");
    expect(pool?.useCases.map(({ pooled }) => pooled.expected)).toEqual(Array(4).fill("730 USD"));
    const { together } = planPortfolio(["a", "b", "c", "d"].map((name) => planOf({ name })));
    expect(formatMoney(addMoney(moneyOf(pooling.together.total.expected), moneyOf("2920 USD")))).toBe(
      together.total.expected,
    );
  });

  test("never stand where a failing card takes two replicas of one use case", () => {
    const [pool] = poolingOf([
      planOf({ name: "a", assume: ["redundant-replicas=2"] }),
      planOf({ name: "b" }),
    ]).pools;
    // Three replicas of a on three cards; b beside the first of them.
    expect(pool?.cards.expected).toBe(3);
    expect(pool?.useCases.map(({ replicas }) => replicas.expected)).toEqual([3, 1]);
    expect(pool?.saving.expected).toBe("1460 USD");
  });

  test.each([
    [
      "residency names other regions",
      [
        planOf({ name: "a" }),
        planOf({
          name: "b",
          document: { residency: { ...recommendation.nonNegotiables.residency, regions: ["us-east-1"] } },
        }),
      ],
      "no other use case shares",
    ],
    [
      "compliance pays for machines of its own",
      [planOf({ name: "a", assume: ["compliance-uplift=0.2"] }), planOf({ name: "b" })],
      "machines of its own",
    ],
  ])("are not shared where %s", (_, plans, why) => {
    const { pools, notPooled, saving, together } = poolingOf(plans);
    expect(pools).toEqual([]);
    expect(notPooled.map(({ useCase }) => useCase)).toEqual(["a", "b"]);
    expect(notPooled[0]?.why).toContain(why);
    expect(saving.expected).toBe("0 USD");
    expect(together.total).toEqual(
      (({ low, expected, high }) => ({ low, expected, high }))(planPortfolio(plans).together.total),
    );
  });

  test("a pool that costs more is shown and not taken; small cards stay out of one that pays without them", () => {
    const small = (name: string) =>
      planOf({ name, assume: ["model-bytes=2e9", "gpu-busy=0.6", "gpu-memory-factor=1.1"] });
    const smalls = [small("s"), small("t")];
    expect(smalls[0]?.cards?.products).toEqual(["L4"]);
    const dear = poolingOf(smalls);
    // More than four sevenths of a card each: two cards at 2 USD in the place of two at 1 USD.
    expect(dear.pools[0]).toMatchObject({ isTaken: false, saving: { expected: "-1460 USD" } });
    expect(dear.saving.expected).toBe("0 USD");
    const mixed = poolingOf([planOf({ name: "a" }), planOf({ name: "b" }), ...smalls]);
    expect(mixed.pools[0]).toMatchObject({ isTaken: true, saving: { expected: "1460 USD" } });
    expect(mixed.notPooled.map(({ useCase }) => useCase)).toEqual(["s", "t"]);
  });

  test("is absent where nothing answers on cards, and a whole card is a whole card", () => {
    expect(planPortfolio([planOf({ name: "a", assume: ["model-bytes=1e6"] })]).pooling).toBeUndefined();
    const whole = (name: string) => planOf({ name, assume: ["model-bytes=70e9"] });
    const { pools } = poolingOf([whole("a"), whole("b")]);
    expect(pools[0]?.cards.expected).toBe(2);
    expect(pools[0]?.useCases[0]).not.toHaveProperty("slice");
    expect(pools[0]?.isTaken).toBe(false);
  });

  test("take as few cards as trying every way to stand them finds, and parts sum to the whole to the nano, in any order", () => {
    const sizes = [5, 15, 30, 70];
    const plans = new Map(
      sizes.flatMap((size) =>
        [0.1, 0.2, 0.5].flatMap((busy) =>
          [0, 1].map((more) => [
            `${size} ${busy} ${more}`,
            planOf({
              name: "x",
              assume: [`model-bytes=${size}e9`, `gpu-busy=${busy}`, `redundant-replicas=${more}`],
            }),
          ]),
        ),
      ),
    );
    const cases = fc.array(fc.constantFrom(...plans.keys()), { minLength: 2, maxLength: 5 });
    fc.assert(
      fc.property(cases, (keys) => {
        const all = keys.map((key, index) => ({
          ...(plans.get(key) ?? expect.fail(key)),
          useCase: `u${index}`,
        }));
        const pooling = poolingOf(all);
        const [pool] = pooling.pools;
        expect(pool?.isFewest).toBe(true);
        const at = (layer: number) =>
          (pool?.useCases ?? []).flatMap(({ slice = "7g.80gb", replicas }) =>
            replicas.expected > layer ? [slice] : [],
          );
        const expected = fewestByTrying(at(0)) + fewestByTrying(at(1));
        expect(pool?.cards.expected).toBe(expected);
        for (const which of ["low", "expected", "high"] as const) {
          const sum = (pool?.useCases ?? []).map(({ pooled }) => moneyOf(pooled[which])).reduce(addMoney);
          expect(formatMoney(sum)).toBe(pool?.pooled[which]);
          const both = addMoney(moneyOf(pool?.saving[which] ?? ""), sum);
          expect(formatMoney(both)).toBe(pool?.dedicated[which]);
        }
        expect(planPortfolio(all.toReversed()).pooling).toEqual(pooling);
      }),
      { numRuns: 25 },
    );
  });
});

const a100: MigModel = migModels.find(({ name }) => name === "A100-80GB") ?? expect.fail("no A100 is known");

/** Another statement of the question: each instance at each start of each card, one after the other, and the fewest cards of all. */
function fewestByTrying(names: readonly string[]): number {
  let fewest = names.length;
  const cards: { slices: Set<number>; compute: number }[] = [];
  const place = (index: number): void => {
    // As many as are known to do: no better.
    if (cards.length >= fewest) return;
    if (index === names.length) {
      fewest = cards.length;
      return;
    }
    const profile = a100.profiles.find(({ name }) => name === names[index]) ?? expect.fail("no profile");
    for (const card of [...cards, undefined]) {
      for (const start of profile.starts) {
        const wanted = Array.from({ length: profile.memorySlices }, (_, slice) => start + slice);
        const target = card ?? { slices: new Set<number>(), compute: 0 };
        if (target.compute + profile.computeSlices > 7 || wanted.some((slice) => target.slices.has(slice)))
          continue;
        if (!card) cards.push(target);
        for (const slice of wanted) target.slices.add(slice);
        target.compute += profile.computeSlices;
        place(index + 1);
        for (const slice of wanted) target.slices.delete(slice);
        target.compute -= profile.computeSlices;
        if (!card) cards.pop();
      }
    }
  };
  place(0);
  return fewest;
}
