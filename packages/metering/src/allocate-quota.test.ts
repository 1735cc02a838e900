import { addMoney, formatDecimal, isPortolanError, zeroMoney } from "@portolan/kernel";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Allocation, allocateBill } from "./allocate-bill.ts";
import { quantityText } from "./quantity.ts";
import { readBill, readUsageLines } from "./read-lines.ts";
import { rollUp } from "./roll-up.ts";

const header = "business_unit,team,resource,quantity\n";
const usage = (text: string) => readUsageLines(`${header}${text}`, "usage.csv");
const bill = (text: string) => readBill(`line,kind,amount,currency,capacity\n${text}`, "bill.csv");

function shown({ lines, unattributed }: Allocation) {
  return [
    ...lines.map(({ tenant, own, quota, idle, shared }) =>
      [tenant.businessUnit, ...[own, quota, idle, shared].map(formatDecimal)].join(" "),
    ),
    ...unattributed.map(
      ({ quantity, amount }) => `nobody ${quantityText(quantity)} ${formatDecimal(amount)}`,
    ),
  ];
}

function everything({ lines, unattributed, total }: Allocation) {
  return [
    ...lines.flatMap(({ own, quota, idle, shared }) => [own, quota, idle, shared]),
    ...unattributed.map(({ amount }) => amount),
  ].reduce(addMoney, zeroMoney(total.currency));
}

describe("what is kept for a tenant and not used (opencost#3970)", () => {
  const hundred = bill("gpu_hours,metered,1000,USD,100\n");

  test("is owed by it, and that much less is idle", () => {
    const quotas = usage("a,,gpu_hours,50\nb,,gpu_hours,10\n");
    const found = allocateBill(hundred, usage("a,,gpu_hours,20\nb,,gpu_hours,15\n"), {
      idle: "separate",
      shared: "uniform",
      quotas,
    });
    expect(shown(found)).toEqual(["a 200 300 0 0", "b 150 0 0 0", "nobody 35 350"]);
    const split = allocateBill(hundred, usage("a,,gpu_hours,20\nb,,gpu_hours,15\n"), {
      idle: "split",
      shared: "uniform",
      quotas,
    });
    expect(shown(split)).toEqual(["a 200 300 200 0", "b 150 0 150 0"]);
  });

  test("of overbooked quotas no more than is free is owed, by what each left unused", () => {
    const quotas = usage("a,,gpu_hours,80\nb,,gpu_hours,80\n");
    const found = allocateBill(hundred, usage("a,,gpu_hours,20\nb,,gpu_hours,40\n"), {
      idle: "separate",
      shared: "uniform",
      quotas,
    });
    expect(shown(found)).toEqual(["a 200 240 0 0", "b 400 160 0 0"]);
  });

  test("who used nothing owes for its quota, and a resource that nobody used is split so too", () => {
    const quotas = usage("a,,gpu_hours,25\n");
    expect(shown(allocateBill(hundred, [], { idle: "split", shared: "uniform", quotas }))).toEqual([
      "a 0 250 0 0",
      "nobody 75 750",
    ]);
  });

  test("needs a line with a capacity", () => {
    const order = { idle: "separate", shared: "uniform", quotas: usage("a,,cpu_hours,1\n") } as const;
    const work = () => allocateBill(bill("gpu_hours,metered,1,USD,1\ncpu_hours,metered,1,USD,\n"), [], order);
    expect(work).toThrow();
    try {
      work();
    } catch (error) {
      expect(isPortolanError(error) && error.detail).toContain('a quota is of "cpu_hours"');
    }
  });
});

describe("whatever is used, kept, billed and shared", () => {
  const lines = fc.array(
    fc.tuple(fc.constantFrom("a", "b", "c"), fc.constantFrom("x", "y"), fc.bigInt(0n, 10n ** 13n)),
    { maxLength: 8 },
  );
  const world = fc.record({
    used: lines,
    kept: lines,
    free: fc.bigInt(0n, 10n ** 13n),
    amount: fc.bigInt(-(10n ** 15n), 10n ** 18n),
    shared: fc.bigInt(-(10n ** 15n), 10n ** 15n),
    idle: fc.constantFrom("separate" as const, "split" as const),
    method: fc.constantFrom("uniform" as const, "proportional" as const),
  });
  const linesOf = (drawn: readonly (readonly [string, string, bigint])[]) =>
    drawn.map(([unit, model, quantity]) => ({
      tenant: { businessUnit: unit, team: "t", useCase: "", model, environment: "" },
      resource: "gpu_hours",
      quantity,
    }));

  test("tenants, quotas, idle and shared come to the bill, in any order and at every level; the free part is never owed twice", () => {
    fc.assert(
      fc.property(world, ({ used, kept, free, amount, shared, idle, method }) => {
        const capacity = used.reduce((sum, [, , quantity]) => sum + quantity, free);
        const of = (name: string, nanos: bigint) => ({ name, amount: { nanos, currency: "EUR" } });
        const drawn = {
          currency: "EUR",
          lines: [
            { ...of("gpu_hours", amount), kind: "metered" as const, capacity },
            { ...of("tax", shared), kind: "shared" as const },
          ],
        };
        const order = { idle, shared: method, quotas: linesOf(kept) };
        const found = allocateBill(drawn, linesOf(used), order);
        expect(everything(found)).toEqual(found.total);
        expect(found.total.nanos).toBe(amount + shared);
        const nobody = found.unattributed.reduce((sum, one) => addMoney(sum, one.amount), zeroMoney("EUR"));
        for (const level of ["businessUnit", "model", "environment"] as const)
          expect(rollUp(found, level).reduce((sum, { total }) => addMoney(sum, total), nobody)).toEqual(
            found.total,
          );
        const again = allocateBill(
          { ...drawn, lines: drawn.lines.toReversed() },
          linesOf(used.toReversed()),
          { ...order, quotas: linesOf(kept.toReversed()) },
        );
        expect(again).toEqual(found);
        if (amount < 0n) return;
        const quotas = found.lines.reduce((sum, { quota }) => sum + quota.nanos, 0n);
        // Never more than what was free costs, and a nano for its rounding.
        expect(capacity === 0n || quotas * capacity <= amount * free + capacity).toBe(true);
      }),
    );
  });
});
