import { availableParallelism } from "node:os";
import { join } from "node:path";
import { addMoney, formatMoney, type Money, money, multiplyMoney, zeroMoney } from "@portolan/kernel";
import {
  allocateBill,
  boundsOf,
  readBill,
  readPlan,
  type StatementDocument,
  statementDocument,
  statementLines,
  tenantLevels,
} from "@portolan/metering";
import type { UsageReport } from "@portolan/metering/contract";
import type { PlanDocument } from "@portolan/planner/contract";
import { statementPage } from "../statement/statement-page.ts";
import { writeNew } from "../write-new.ts";
import { check } from "./narrator.ts";

const line = "cpu_hours";

export interface MonthStatement {
  readonly document: StatementDocument;
  /** The page that was written. */
  readonly page: string;
  /** Of the use case. */
  readonly ours: string;
  readonly idle: string;
  readonly total: string;
}

/**
 * The statement of the month: the bill is that of this machine's cores for all of it, at the price of a core hour that the plan has; what was recorded says whose
 * it is, and what nobody used stands for itself. Written as a page into the folder, with the bill beside it.
 */
export async function writeMonthStatement(question: {
  readonly folder: string;
  /** Such as 2026-11. */
  readonly month: string;
  readonly usage: UsageReport["lines"];
  readonly core: Money;
  readonly plan: PlanDocument;
}): Promise<MonthStatement> {
  const { folder, month, usage, core, plan } = question;
  const hours = BigInt(availableParallelism() * hoursOf(month));
  const amount = multiplyMoney(core, hours, 1n);
  const [decimal, currency] = formatMoney(amount).split(" ");
  const csv = `line,kind,amount,currency,capacity\n${line},metered,${decimal},${currency},${hours}\n`;
  const recorded = usage.map(
    ({
      names: [businessUnit = "", team = "", useCase = "", model = "", environment = ""],
      resource,
      quantity,
    }) => ({
      tenant: { businessUnit, team, useCase, model, environment },
      resource,
      quantity: BigInt(quantity),
    }),
  );
  const allocation = allocateBill(
    readBill(csv, "the bill of this machine"),
    statementLines(recorded, new Set([line])),
    { idle: "separate", shared: "proportional" },
  );
  const base = { allocation, month, mode: "showback" } as const;
  const document = statementDocument({
    ...base,
    level: "useCase",
    plans: [readPlan(JSON.stringify(plan), "the plan")],
  });
  const of = (text: string): Money => money(text, document.currency);
  const sum = (amounts: readonly string[]): Money =>
    amounts.reduce((total, one) => addMoney(total, of(one)), zeroMoney(document.currency));
  const idle = sum(document.unattributed.map((one) => one.amount));
  const parts = sum([...document.lines.map((one) => one.total), formatMoney(idle).split(" ")[0] ?? "0"]);
  check(formatMoney(parts) === formatMoney(of(document.total)), "the statement does not sum to the bill");
  const own = document.lines.filter(({ names: [, , useCase] }) => useCase === plan.useCase);
  check(own.length === 1, `the statement has no line of ${plan.useCase}`);
  const page = join(folder, "statement.html");
  await writeNew(join(folder, "bill.csv"), csv, true);
  const atLevels = tenantLevels.map((level) => statementDocument({ ...base, level }));
  await writeNew(page, statementPage(document, atLevels), true);
  return {
    document,
    page,
    ours: formatMoney(sum(own.map((one) => one.total))),
    idle: formatMoney(idle),
    total: formatMoney(parts),
  };
}

function hoursOf(month: string): number {
  const { start, end } = boundsOf(month);
  return (end - start) / 3_600_000_000;
}
