import { formatDecimal, isPortolanError } from "@portolan/kernel";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { allocateBill } from "../allocate-bill.ts";
import { readBill, readUsageLines } from "../read-lines.ts";
import { rollUp } from "../roll-up.ts";
import { statementActions } from "./actions.ts";

const header = "business_unit,team,use_case,resource,quantity,activity,utilisation\n";
/** The article's month of fifty GPUs at $3.85: 70 % of marketing's hours are inference, 35 % of research's are idle experiments. */
const usageFile = `${header}finance,risk,fraud,gpu_hours,5760,training,0.82
marketing,growth,recommendation,gpu_hours,2688,inference,31 %
marketing,growth,recommendation,gpu_hours,1152,experiment,0.5
research,lab,,gpu_hours,3024,experiment,0.02
research,lab,,gpu_hours,5616,experiment,0.6
`;
const bill = readBill("line,kind,amount,currency,capacity\ngpu_hours,metered,138600,USD,36000\n", "bill.csv");
const order = { idle: "separate", shared: "proportional" } as const;

function actionsOf(text: string) {
  const usage = readUsageLines(text, "usage.csv");
  return statementActions(allocateBill(bill, usage, order), usage, "team");
}

describe("what each can do", () => {
  test("the three lines of the article's report: what is expected, what may fit processors, what is idle", () => {
    const found = [...actionsOf(usageFile)].map(([names, actions]) => [
      names,
      ...actions.map(
        ({ kind, activity, useCases, share, cost }) =>
          `${kind} ${activity} ${useCases.join()} ${share} ${formatDecimal(cost)}`,
      ),
    ]);
    expect(found).toEqual([
      ['["finance","risk"]', "as_expected training fraud 1 22176"],
      [
        '["marketing","growth"]',
        "move_to_cpu inference recommendation 0.7 10348.8",
        "as_expected experiment recommendation 0.3 4435.2",
      ],
      ['["research","lab"]', "as_expected experiment  0.65 21621.6", "stop_idle experiment  0.35 11642.4"],
    ]);
  });

  test("an idle card is idle whatever it was for, and predictions on processors stay there", () => {
    const text = `${header}a,x,u,gpu_hours,10,serving,0\na,x,u,gpu_hours,10,serving,\n`;
    expect(
      [...actionsOf(text).values()]
        .flat()
        .map(({ kind }) => kind)
        .sort(),
    ).toEqual(["move_to_cpu", "stop_idle"]);
    const usage = readUsageLines(`${header}a,x,u,cpu_hours,10,serving,0.9\n`, "usage.csv");
    const cpu = readBill("line,kind,amount,currency\ncpu_hours,metered,1,USD\n", "bill.csv");
    expect(
      [...statementActions(allocateBill(cpu, usage, order), usage, "team").values()].flat(),
    ).toMatchObject([{ kind: "as_expected", share: 1 }]);
  });

  test("whatever was used, the costs of a name's actions are what it pays for its own use, in any order", () => {
    const line = fc.record({
      unit: fc.constantFrom("a", "b"),
      activity: fc.constantFrom("serving", "training", undefined),
      utilisation: fc.constantFrom(0, 0.04, 0.05, 1, undefined),
      quantity: fc.bigInt(0n, 10n ** 9n),
    });
    fc.assert(
      fc.property(fc.array(line, { maxLength: 10 }), fc.bigInt(0n, 10n ** 15n), (drawn, nanos) => {
        const usage = drawn.map(({ unit, activity, utilisation, quantity }) => ({
          tenant: { businessUnit: unit, team: "", useCase: "", environment: "" },
          resource: "gpu_hours",
          quantity,
          ...(activity === undefined ? {} : { activity }),
          ...(utilisation === undefined ? {} : { utilisation }),
        }));
        const amount = { nanos, currency: "USD" };
        const allocation = allocateBill(
          { currency: "USD", lines: [{ name: "gpu_hours", kind: "metered", amount }] },
          usage,
          order,
        );
        const found = statementActions(allocation, usage, "businessUnit");
        for (const { names, own } of rollUp(allocation, "businessUnit"))
          expect(
            (found.get(JSON.stringify(names)) ?? []).reduce((sum, { cost }) => sum + cost.nanos, 0n),
          ).toBe(own.nanos);
        expect(statementActions(allocation, usage.toReversed(), "businessUnit")).toEqual(found);
      }),
    );
  });

  test.each(["1.01", "-0.1", "101 %", "busy"])("a utilisation of %s is a fault of its line", (text) => {
    try {
      readUsageLines(`${header}a,x,u,gpu_hours,10,serving,${text}\n`, "usage.csv");
      expect.unreachable();
    } catch (error) {
      expect(isPortolanError(error) && error.violations[0]).toMatchObject({
        detail: expect.stringContaining("utilisation"),
        at: { line: 2 },
      });
    }
  });
});
