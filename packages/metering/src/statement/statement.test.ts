import { formatDecimal, isPortolanError } from "@portolan/kernel";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { allocateBill } from "../allocate-bill.ts";
import { readBill, readUsageLines } from "../read-lines.ts";
import { rollUp } from "../roll-up.ts";
import { chargeBack, paidBy, readPayers } from "./charge-back.ts";
import { readPlan, readStatement, type StatementDocument, statementDocument } from "./statement.ts";
import { activityCosts, readCounts, unitCosts } from "./unit-costs.ts";

const usage = readUsageLines(
  `business_unit,team,use_case,model,environment,resource,quantity,activity
finance,risk,fraud,mlp,production,gpu_hours,4000,training
finance,risk,fraud,mlp,production,gpu_hours,1760,serving
marketing,growth,recommendation,,production,gpu_hours,3840,serving
engineering,platform,,,dev,gpu_hours,400,
engineering,platform,scoring,,production,gpu_hours,8000,serving
`,
  "usage.csv",
);
const bill = readBill(
  "line,kind,amount,currency,capacity\ngpu_hours,metered,72000,USD,18000\nsupport,shared,1800,USD,\n",
  "bill.csv",
);
const order = { idle: "split", shared: "proportional" } as const;
const counts = readCounts(
  "business_unit,team,use_case,model,environment,what,count\nfinance,risk,fraud,mlp,production,inferences,3000000\nfinance,risk,fraud,mlp,production,training_runs,4\nmarketing,growth,recommendation,,production,inferences,0\n",
  "counts.csv",
);

const faultOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (isPortolanError(error)) return `${error.code}: ${error.detail}`;
    throw error;
  }
  return "";
};
const sum = ({ lines, unattributed, others }: StatementDocument) =>
  [...lines.map(({ total }) => total), ...unattributed.map(({ amount }) => amount), others ?? "0"].reduce(
    (total, text) => total + Math.round(Number(text) * 1e9),
    0,
  ) / 1e9;

describe("unit costs", () => {
  test("by hand: of 4.10 an hour, 4,000 hours for four runs and 1,760 for three million answers", () => {
    const costs = unitCosts(allocateBill(bill, usage, order), usage, counts, "useCase");
    // 72,000 + 1,800 over 18,000 hours is 4.10 an hour; idle is none, for all hours were used.
    expect(
      [...costs].map(([names, of]) => [
        names,
        ...of.map(({ what, cost, of: basis }) => `${what} ${formatDecimal(cost)} ${basis}`),
      ]),
    ).toEqual([
      ['["finance","risk","fraud"]', "inferences 2.405333333 activity", "training_runs 4100 activity"],
      ['["marketing","growth","recommendation"]'],
    ]);
  });

  test("where no usage says what it was for, everything is divided, and it says so", () => {
    const plain = usage.map(({ tenant, resource, quantity }) => ({ tenant, resource, quantity }));
    const [first] =
      unitCosts(allocateBill(bill, plain, order), plain, counts, "useCase").get(
        '["finance","risk","fraud"]',
      ) ?? [];
    expect([first?.of, first && formatDecimal(first.cost)]).toEqual(["all", "7.872"]);
  });

  test("whatever was for what, the activities of a name come to what it owes", () => {
    const line = fc.record({
      unit: fc.constantFrom("a", "b"),
      activity: fc.constantFrom("serving", "training", undefined),
      quantity: fc.bigInt(0n, 10n ** 12n),
    });
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), fc.bigInt(-(10n ** 12n), 10n ** 15n), (drawn, nanos) => {
        const lines = drawn.map(({ unit, activity, quantity }) => ({
          tenant: { businessUnit: unit, team: "", useCase: "", environment: "" },
          resource: "gpu",
          quantity,
          ...(activity === undefined ? {} : { activity }),
        }));
        const amount = { nanos, currency: "USD" };
        const found = allocateBill(
          {
            currency: "USD",
            lines: [
              { name: "gpu", kind: "metered", amount },
              { name: "tax", kind: "shared", amount },
            ],
          },
          lines,
          order,
        );
        const costs = activityCosts(found, lines, "businessUnit");
        for (const { names, total } of rollUp(found, "businessUnit"))
          expect([...(costs.get(JSON.stringify(names)) ?? [])].reduce((all, [, one]) => all + one, 0n)).toBe(
            total.nanos,
          );
      }),
    );
  });
});

describe("charging back", () => {
  test("the business unit of the use case pays, engineering pays nothing, and the bill stays the bill", () => {
    const payers = readPayers("use_case,business_unit\nscoring,finance\n", "payers.csv");
    const paid = paidBy(usage, payers);
    const shown = allocateBill(bill, paid, order);
    const charged = chargeBack(shown, new Set(["engineering"]));
    const of = (allocation: typeof shown) =>
      rollUp(allocation, "businessUnit").map(({ names, total }) => [names[0], formatDecimal(total)]);
    expect(of(shown)).toEqual([
      ["finance", "56416"],
      ["marketing", "15744"],
      ["engineering", "1640"],
    ]);
    // 1,640 by 56,416 to 15,744.
    expect(of(charged)).toEqual([
      ["finance", "57698.181818182"],
      ["marketing", "16101.818181818"],
    ]);
    expect(
      sum(statementDocument({ allocation: charged, level: "team", mode: "chargeback", month: "2026-12" })),
    ).toBe(73_800);
    expect(formatDecimal(charged.total)).toBe("73800");
  });

  test("where there is nobody else, nobody can be asked", () => {
    const all = allocateBill(bill, usage, order);
    const charged = chargeBack(all, new Set(["finance", "marketing", "engineering"]));
    expect(charged.lines).toEqual([]);
    expect(charged.unattributed.map(({ line, amount }) => [line, formatDecimal(amount)])).toEqual([
      ["gpu_hours", "72000"],
      ["support", "1800"],
    ]);
  });

  test("two payers of one use case are refused", () => {
    expect(faultOf(() => readPayers("use_case,business_unit\na,x\na,y\n", "p.csv"))).toContain(
      "x pays for a already",
    );
  });
});

const planned = (total: Record<string, string>, ceiling = "30000 USD") =>
  JSON.stringify({ useCase: "fraud", production: { total }, budget: { ceiling } });

describe("a statement", () => {
  const allocation = allocateBill(bill, usage, order);
  const question = { allocation, level: "useCase", mode: "showback", month: "2026-11" } as const;

  test("sums to the bill, whole and cut to a business unit, and reads itself again", () => {
    const whole = statementDocument({
      ...question,
      unitCosts: unitCosts(allocation, usage, counts, "useCase"),
    });
    expect(sum(whole)).toBe(73_800);
    expect(sum(statementDocument({ ...question, only: "finance" }))).toBe(73_800);
    expect(readStatement(JSON.stringify(whole), "s.json")).toEqual(whole);
    expect(faultOf(() => statementDocument({ ...question, only: "sales" }))).toContain(
      'no business unit "sales"',
    );
  });

  test("has the trend of earlier months, in their order; who was not there owed nothing", () => {
    const of = (month: string, only?: string) =>
      statementDocument({ ...question, month, ...(only === undefined ? {} : { only }) });
    const others = usage.filter(({ tenant }) => tenant.businessUnit !== "finance");
    const without = allocateBill(bill, others, order);
    const september = statementDocument({ ...question, allocation: without, month: "2026-09" });
    const trendOf = (document: StatementDocument) =>
      document.lines.find(({ names }) => names[0] === "finance")?.trend;
    expect(trendOf(statementDocument({ ...question, earlier: [of("2026-10"), september] }))).toEqual([
      { month: "2026-09", total: "0" },
      { month: "2026-10", total: "23616" },
    ]);
    // One that shows a unit alone says nothing of the others: they did not owe nothing.
    expect(
      faultOf(() => statementDocument({ ...question, earlier: [of("2026-09", "marketing")] })),
    ).toContain("one business unit alone");
    const cut = { ...question, only: "finance", earlier: [of("2026-10", "finance")] };
    expect(trendOf(statementDocument(cut))).toEqual([{ month: "2026-10", total: "23616" }]);
  });

  test("earlier statements that go deeper are summed up to its level", () => {
    const deep = statementDocument({ ...question, level: "environment", month: "2026-10" });
    for (const level of ["businessUnit", "team", "useCase"] as const)
      for (const { trend, total } of statementDocument({ ...question, level, earlier: [deep] }).lines)
        expect(trend).toEqual([{ month: "2026-10", total }]);
  });

  test("says from when it is charged, and once it is, to whom: all units' amounts and what is nobody's come to the bill", () => {
    const shown = statementDocument({ ...question, chargebackFrom: "2027-02", engineering: ["engineering"] });
    expect(shown).toMatchObject({ mode: "showback", chargebackFrom: "2027-02" });
    expect([shown.charged, shown.notCharged]).toEqual([undefined, undefined]);
    const charged = statementDocument({
      ...question,
      allocation: chargeBack(allocation, new Set(["engineering"])),
      mode: "chargeback",
      chargebackFrom: "2026-11",
      engineering: ["engineering"],
    });
    expect(charged.notCharged).toEqual(["engineering"]);
    expect(charged.charged?.map(({ businessUnit }) => businessUnit)).toEqual(["finance", "marketing"]);
    const nobody = charged.unattributed.map(({ amount }) => Number(amount));
    const amounts = [...(charged.charged ?? []).map(({ amount }) => Number(amount)), ...nobody];
    expect(amounts.reduce((all, one) => all + one, 0)).toBe(73_800);
    expect(readStatement(JSON.stringify(charged), "s.json")).toEqual(charged);
  });

  test.each([
    [{ month: "2026-11" }, "is not earlier than"],
    [{ currency: "EUR" }, "is in EUR"],
    [{ by: "team" }, "goes down to team"],
    [{ month: undefined }, "without a month"],
  ] as const)("an earlier one with %j cannot be compared", (other, words) => {
    const earlier = {
      ...statementDocument({ ...question, month: "2026-10" }),
      ...other,
    } as StatementDocument;
    expect(faultOf(() => statementDocument({ ...question, earlier: [earlier] }))).toContain(words);
  });

  test.each([
    [{ low: "20000 USD", expected: "22000 USD", high: "25000 USD" }, "30000 USD", "as_planned", "1616"],
    [{ low: "20000 USD", expected: "22000 USD", high: "23000 USD" }, "30000 USD", "above", "1616"],
    [{ low: "24000 USD", expected: "25000 USD", high: "26000 USD" }, "30000 USD", "below", "-1384"],
    [{ low: "20000 USD", expected: "22000 USD", high: "25000 USD" }, "23615.99 USD", "over_ceiling", "1616"],
  ])("a plan of %j under %s is %s", (total, ceiling, verdict, difference) => {
    const document = statementDocument({
      ...question,
      plans: [readPlan(planned(total, ceiling), "plan.json")],
    });
    expect(document.plans).toMatchObject([{ useCase: "fraud", actual: "23616", verdict, difference }]);
  });

  test("what is no plan, statement or count is refused in words", () => {
    expect(faultOf(() => readPlan("{}", "plan.json"))).toContain("plan.json");
    expect(faultOf(() => readStatement("[1", "s.json"))).toContain("no JSON");
    expect(
      faultOf(() => readCounts("business_unit,team,what,count\na,,people,1\nb,,inferences,-1\n", "c.csv")),
    ).toContain("line 2: what:");
    const euros = readPlan(planned({ low: "1 EUR", expected: "1 EUR", high: "1 EUR" }), "plan.json");
    expect(faultOf(() => statementDocument({ ...question, plans: [euros] }))).toContain("is in EUR");
  });
});
