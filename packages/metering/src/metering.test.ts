import { addMoney, formatDecimal, isPortolanError, type Money, money, zeroMoney } from "@portolan/kernel";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Allocation, type AllocationOrder, allocateBill } from "./allocate-bill.ts";
import type { Bill, UsageLine } from "./lines.ts";
import { parseQuantity, quantityText } from "./quantity.ts";
import { readBill, readUsageLines } from "./read-lines.ts";
import { rollUp } from "./roll-up.ts";

const separate: AllocationOrder = { idle: "separate", shared: "proportional" };

/** The report of fifty GPUs in the article: 720 hours each, $3.85 an hour. */
const usageFile = `business_unit,team,use_case,resource,quantity
finance,risk,fraud,gpu_hours,5760
marketing,growth,recommendation,gpu_hours,3840
research,lab,,gpu_hours,8640
`;
const billFile = "line,kind,amount,currency,capacity\ngpu_hours,metered,138600,USD,36000\n";

function allocated(order: AllocationOrder = separate, bill = billFile, usage = usageFile): Allocation {
  return allocateBill(readBill(bill, "bill.csv"), readUsageLines(usage, "usage.csv"), order);
}

/** Everything that anybody owes and what nobody does. */
function sumOf({ lines, unattributed, total }: Allocation): Money {
  const parts = [
    ...lines.flatMap(({ own, quota, idle, shared }) => [own, quota, idle, shared]),
    ...unattributed.map(({ amount }) => amount),
  ];
  return parts.reduce(addMoney, zeroMoney(total.currency));
}

describe("the article's report", () => {
  test("comes out to the dollar, with the idle half that the article leaves out", () => {
    const found = allocated();
    expect(rollUp(found, "team").map(({ names, total }) => [names.join("/"), formatDecimal(total)])).toEqual([
      ["research/lab", "33264"],
      ["finance/risk", "22176"],
      ["marketing/growth", "14784"],
    ]);
    expect(
      found.unattributed.map(({ line, quantity, amount }) => [
        line,
        quantityText(quantity),
        formatDecimal(amount),
      ]),
    ).toEqual([["gpu_hours", "17760", "68376"]]);
    expect(formatDecimal(sumOf(found))).toBe("138600");
  });

  test("with idle hours split, each owes twice its own, and nothing is left over", () => {
    const found = allocated({ idle: "split", shared: "proportional" });
    expect(found.unattributed).toEqual([]);
    const [research] = rollUp(found, "businessUnit");
    expect(formatDecimal(research?.own ?? zeroMoney("USD"))).toBe("33264");
    // 68,376 x 8,640 / 18,240, to the billionth.
    expect(formatDecimal(research?.idle ?? zeroMoney("USD"))).toBe("32388.631578947");
    expect(formatDecimal(sumOf(found))).toBe("138600");
  });
});

describe("shared lines", () => {
  const bill = `${billFile}support,shared,3000,USD,\ncredit,shared,-300.000000001,USD,\n`;
  const shared = (order: AllocationOrder) =>
    Object.fromEntries(
      rollUp(allocated(order, bill), "businessUnit").map(({ names: [unit = ""], shared: part }) => [
        unit,
        formatDecimal(part),
      ]),
    );

  test("go to all alike, by what they owe, or by agreed weights; a credit comes back in the same way", () => {
    expect(shared({ ...separate, shared: "uniform" })).toEqual({
      finance: "899.999999999",
      marketing: "900",
      research: "900",
    });
    expect(shared(separate)["finance"]).toBe("852.631578947");
    expect(
      shared({
        ...separate,
        shared: new Map([
          ["finance", 2n],
          ["research/lab", 1n],
        ]),
      }),
    ).toEqual({
      finance: "1799.999999999",
      marketing: "0",
      research: "900",
    });
  });

  test("OpenCost's own example of a conservation fault: a namespace is shared out two to one, and the sum stays (opencost#1124)", () => {
    const usage = "business_unit,team,resource,quantity\nns2,,own2,1\nns3,,own3,1\n";
    const lines =
      "line,kind,amount,currency\nown2,metered,46.312,USD\nown3,metered,23,USD\nns1,shared,42.688,USD\n";
    const found = allocated(
      {
        idle: "split",
        shared: new Map([
          ["ns2", 2n],
          ["ns3", 1n],
        ]),
      },
      lines,
      usage,
    );
    expect(rollUp(found, "businessUnit").map(({ total }) => Number(formatDecimal(total)).toFixed(3))).toEqual(
      ["74.771", "37.229"],
    );
    expect(formatDecimal(sumOf(found))).toBe("112");
  });
});

describe("slices of a card", () => {
  const cards = "line,kind,amount,currency,capacity\nh100_hours,metered,7,USD,1\n";
  const used = (...quantities: readonly string[]) =>
    `business_unit,team,resource,quantity\n${quantities.map((quantity, at) => `unit${at},,h100_hours,${quantity}`).join("\n")}\n`;

  test("seven sevenths are the card, and four quarters too", () => {
    for (const quantities of [Array<string>(7).fill("1/7"), Array<string>(4).fill("0.25")]) {
      const found = allocated(separate, cards, used(...quantities));
      expect(found.unattributed).toEqual([]);
      const parts = rollUp(found, "businessUnit").map(({ total }) => formatDecimal(total));
      expect(parts).toEqual(quantities.map(() => (quantities.length === 7 ? "1" : "1.75")));
    }
  });

  test("a slice that is stranded beside two of three sevenths is owed by nobody, and the card reconciles", () => {
    const found = allocated(separate, cards, used("3/7", "3/7"));
    expect(
      found.unattributed.map(({ quantity, amount }) => [quantityText(quantity), formatDecimal(amount)]),
    ).toEqual([["1/7", "1"]]);
    expect(formatDecimal(sumOf(found))).toBe("7");
  });

  test("quantities are read and written without loss", () => {
    for (const text of ["0", "12.5", "0.000001", "3/7", "1/8", "36/7", "999999999999999"])
      expect(parseQuantity(quantityText(parseQuantity(text) ?? -1n))).toBe(parseQuantity(text));
    expect(["1/11", "1/0", "-1", "0.0000001", "1e3", "", "1/"].map(parseQuantity)).toEqual(
      Array(7).fill(undefined),
    );
    expect(quantityText(parseQuantity("2/8") ?? 0n)).toBe("0.25");
  });
});

const names = fc.constantFrom("a", "b", "c");
const lines = fc.array(
  fc.record({
    unit: names,
    team: names,
    resource: fc.constantFrom("gpu", "cpu"),
    quantity: fc.bigInt(0n, 10n ** 12n),
  }),
  { maxLength: 30 },
);
const orders = fc.record({
  idle: fc.constantFrom("separate" as const, "split" as const),
  shared: fc.constantFrom("uniform" as const, "proportional" as const),
});

function usageOf(
  drawn: readonly { unit: string; team: string; resource: string; quantity: bigint }[],
): UsageLine[] {
  return drawn.map(({ unit, team, resource, quantity }) => ({
    tenant: { businessUnit: unit, team, useCase: "", environment: "" },
    resource,
    quantity,
  }));
}

function billOf(usage: readonly UsageLine[], amounts: readonly bigint[], free: bigint): Bill {
  const of = (name: string, kind: "metered" | "shared", nanos: bigint, capacity?: bigint) => ({
    name,
    kind,
    amount: { nanos, currency: "EUR" },
    ...(capacity === undefined ? {} : { capacity }),
  });
  const used = usage.reduce((sum, one) => sum + (one.resource === "gpu" ? one.quantity : 0n), 0n);
  const [gpu = 0n, cpu = 0n, support = 0n] = amounts;
  return {
    currency: "EUR",
    lines: [
      of("gpu", "metered", gpu, used + free),
      of("cpu", "metered", cpu),
      of("support", "shared", support),
    ],
  };
}

describe("whatever the usage, the bill and the method", () => {
  const world = fc.tuple(
    lines,
    fc.tuple(
      fc.bigInt(-(10n ** 15n), 10n ** 18n),
      fc.bigInt(0n, 10n ** 18n),
      fc.bigInt(-(10n ** 15n), 10n ** 15n),
    ),
    fc.bigInt(0n, 10n ** 12n),
    orders,
  );

  test("all parts sum to the bill exactly, at every level", () => {
    fc.assert(
      fc.property(world, ([drawn, amounts, free, order]) => {
        const usage = usageOf(drawn);
        const found = allocateBill(billOf(usage, amounts, free), usage, order);
        expect(sumOf(found)).toEqual(found.total);
        const unattributed = found.unattributed.reduce(
          (sum, { amount }) => addMoney(sum, amount),
          zeroMoney("EUR"),
        );
        for (const level of ["businessUnit", "team"] as const) {
          const owed = rollUp(found, level).reduce((sum, { total }) => addMoney(sum, total), unattributed);
          expect(owed).toEqual(found.total);
        }
      }),
    );
  });

  test("the order of the files changes nothing, and neither does splitting a line of usage", () => {
    fc.assert(
      fc.property(world, ([drawn, amounts, free, order]) => {
        const usage = usageOf(drawn);
        const bill = billOf(usage, amounts, free);
        const found = allocateBill(bill, usage, order);
        const halves = usage.toReversed().flatMap((line) => [
          { ...line, quantity: line.quantity / 2n },
          { ...line, quantity: line.quantity - line.quantity / 2n },
        ]);
        expect(allocateBill({ ...bill, lines: bill.lines.toReversed() }, halves, order)).toEqual(found);
      }),
    );
  });
});

describe("what cannot be split", () => {
  const faultOf = (work: () => unknown): string => {
    try {
      work();
    } catch (error) {
      if (isPortolanError(error)) return `${error.code}: ${error.detail}`;
      throw error;
    }
    return "";
  };

  test.each([
    [
      "more used than paid for",
      billFile.replace("36000", "18000"),
      usageFile,
      "of gpu_hours 18240 was used and 18000 paid for",
    ],
    [
      "a resource that is not billed",
      billFile,
      usageFile.replace("lab,,gpu_hours", "lab,,tpu_hours"),
      '"tpu_hours" was used and is not on the bill',
    ],
    [
      "one resource on two lines",
      `${billFile}gpu_hours,metered,1,USD,\n`,
      usageFile,
      "a resource is billed on two lines",
    ],
    ["two currencies", `${billFile}cpu_hours,metered,1,EUR,\n`, usageFile, "several currencies: USD, EUR"],
    [
      "negative usage",
      billFile,
      usageFile.replace("3840", "-3840"),
      'line 3: quantity: "-3840" is no decimal',
    ],
    ["usage of nobody", billFile, usageFile.replace("finance,", ","), "line 2: business_unit: it is empty"],
    ["an amount that is none", billFile.replace("138600", "1.2.3"), usageFile, "line 2: amount:"],
    [
      "a kind that is none",
      billFile.replace("metered", "tax"),
      usageFile,
      "line 2: kind: it is metered or shared",
    ],
  ])("%s is refused, and no money is lost or made up", (_name, bill, usage, words) => {
    expect(faultOf(() => allocated(separate, bill, usage))).toContain(words);
  });

  test("weights that name nobody are refused", () => {
    const order = { ...separate, shared: new Map([["sales", 1n]]) };
    expect(faultOf(() => allocated(order, `${billFile}tax,shared,1,USD,\n`))).toContain("nobody of sales");
  });

  test("what nobody used is owed by nobody", () => {
    const bill = `${billFile}storage,metered,5,USD,\n`;
    expect(
      allocated(separate, bill).unattributed.map(({ line, amount }) => [line, formatDecimal(amount)]),
    ).toEqual([
      ["gpu_hours", "68376"],
      ["storage", "5"],
    ]);
    expect(money("5", "USD").nanos).toBe(5_000_000_000n);
  });
});
