import { resolve } from "node:path";
import { addMoney, formatDecimal, type Money, zeroMoney } from "@portolan/kernel";
import {
  type Allocation,
  type AllocationOrder,
  allocateBill,
  type Bill,
  quantityText,
  readBill,
  readUsageLines,
  rollUp,
  type StatementLine,
  type TenantLevel,
  type UsageLine,
} from "@portolan/metering";
import { type Command, Option } from "commander";
import type { CliContext } from "../context.ts";
import type { ContextOf } from "../program.ts";
import { badUsage, readInput } from "../read-input.ts";
import { recordedUsage } from "../usage/recorded-usage.ts";
import { writeNew } from "../write-new.ts";

interface StatementOptions {
  readonly usage?: string;
  readonly recorded?: string;
  readonly bill: string;
  readonly by: string;
  readonly idle: "separate" | "split";
  readonly shared: string;
  readonly only?: string;
  readonly csv?: string;
  readonly force?: boolean;
}

const levels: Readonly<Record<string, TenantLevel>> = {
  "business-unit": "businessUnit",
  team: "team",
  "use-case": "useCase",
  environment: "environment",
};

/** Who owes what of a bill; needs no server. */
export function registerStatementCommand(program: Command, contextOf: ContextOf): void {
  program
    .command("statement")
    .description(
      "Split a bill by usage, to the last billionth: who owes what, what nobody used; needs no server",
    )
    .option("--usage <file.csv>", "columns business_unit, team, use_case, environment, resource, quantity")
    .option("--recorded <month>", "in its place what was recorded in a month, e.g. 2026-11; asks the server")
    .requiredOption("--bill <file.csv>", "columns line, kind (metered or shared), amount, currency, capacity")
    .addOption(new Option("--by <level>", "down to which level").choices(Object.keys(levels)).default("team"))
    .addOption(
      new Option("--idle <how>", "what nobody used: for itself, or split by what was used")
        .choices(["separate", "split"])
        .default("separate"),
    )
    .option(
      "--shared <how>",
      "shared lines: proportional, uniform, or weights as finance=2,research/lab=1",
      "proportional",
    )
    .option("--only <unit>", "show one business unit; all others are one line")
    .option("--csv <file>", "write the statement there")
    .option("--force", "overwrite the file that is there")
    .addHelpText(
      "after",
      "\nExamples:\n  portolan statement --usage usage.csv --bill bill.csv\n  portolan statement --usage usage.csv --bill bill.csv --by use-case --idle split --only finance",
    )
    .action(async (options: StatementOptions, command: Command) => {
      const context = contextOf(command);
      const bill = readBill(await readInput(context, options.bill), options.bill);
      const usage = await usageOf(context, bill, options);
      const order = { idle: options.idle, shared: sharedOf(options.shared) };
      const allocation = allocateBill(bill, usage, order);
      const statement = statementOf(allocation, levels[options.by] ?? "team", options.only);
      if (options.csv !== undefined)
        await writeNew(resolve(context.cwd, options.csv), csvOf(statement), options.force === true);
      context.output.result(jsonOf(statement), textOf(statement));
    });
}

/** @throws PortolanError `cli.bad_usage` where neither or both are named */
async function usageOf(
  context: CliContext,
  bill: Bill,
  { usage, recorded }: StatementOptions,
): Promise<readonly UsageLine[]> {
  if ((usage === undefined) === (recorded === undefined))
    throw badUsage(
      "one of --usage and --recorded is needed",
      "Name a file, or a month whose usage was recorded.",
    );
  if (usage !== undefined) return readUsageLines(await readInput(context, usage), usage);
  const metered = bill.lines.filter(({ kind }) => kind === "metered");
  return recordedUsage(context, recorded ?? "", new Set(metered.map(({ name }) => name)));
}

interface Statement {
  readonly lines: readonly StatementLine[];
  readonly unattributed: Allocation["unattributed"];
  /** Of business units that are not shown. */
  readonly others: Money | undefined;
  readonly total: Money;
}

function sharedOf(text: string): AllocationOrder["shared"] {
  if (text === "proportional" || text === "uniform") return text;
  const weights = new Map<string, bigint>();
  for (const part of text.split(",")) {
    const [, name, weight] = /^([^=]+)=(\d{1,9})$/.exec(part.trim()) ?? [];
    if (name === undefined || weight === undefined || Number(weight) === 0)
      throw badUsage(
        `--shared ${part.slice(0, 60)} is no name with its weight`,
        "Write it as finance=2,research/lab=1.",
      );
    weights.set(name, BigInt(weight));
  }
  return weights;
}

function statementOf(allocation: Allocation, level: TenantLevel, only: string | undefined): Statement {
  const { unattributed, total } = allocation;
  const all = rollUp(allocation, level);
  if (only === undefined) return { lines: all, unattributed, others: undefined, total };
  const lines = all.filter(({ names: [unit] }) => unit === only);
  if (lines.length === 0) {
    const units = [...new Set(all.map(({ names: [unit = ""] }) => unit))].join(", ");
    throw badUsage(
      `no business unit ${JSON.stringify(only.slice(0, 60))} is on the statement`,
      `It has ${units}.`,
    );
  }
  const rest = all.filter((line) => !lines.includes(line));
  const others = rest.reduce((sum, line) => addMoney(sum, line.total), zeroMoney(total.currency));
  return { lines, unattributed, others, total };
}

const headers = ["who", "used", "own", "idle", "shared", "total", "of the bill"];

function textOf({ lines, unattributed, others, total }: Statement): string {
  const share = ({ nanos }: Money) =>
    total.nanos === 0n ? "" : `${(Number((nanos * 100_000n) / total.nanos) / 1000).toFixed(1)} %`;
  const rows = [
    ...lines.map((line) => [
      line.names.filter(Boolean).join("/"),
      usedText(line.quantities),
      ...[line.own, line.idle, line.shared, line.total].map(cents),
      share(line.total),
    ]),
    ...(others === undefined ? [] : [["all others", "", "", "", "", cents(others), share(others)]]),
    ...unattributed.map(({ line, quantity, amount }) => [
      "nobody",
      usedText({ [line]: quantity }),
      "",
      "",
      "",
      cents(amount),
      share(amount),
    ]),
    ["the bill", "", "", "", "", cents(total), share(total)],
  ];
  const widths = headers.map((header, column) =>
    Math.max(header.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const shown = [headers, ...rows].map((row) =>
    row
      .map((cell, column) =>
        column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd(),
  );
  return [
    `In ${total.currency}, shown to the cent; exact in --json and --csv, where all lines sum to the bill.`,
    ...shown,
  ].join("\n");
}

function usedText(quantities: Readonly<Record<string, bigint>>): string {
  return Object.entries(quantities)
    .map(([line, quantity]) => `${quantityText(quantity)} ${line}`)
    .join(", ");
}

/** Half away from zero: what is printed, and nothing is reckoned with it. */
function cents({ nanos }: Money): string {
  const sign = nanos < 0n ? "-" : "";
  const rounded = ((nanos < 0n ? -nanos : nanos) + 5_000_000n) / 10_000_000n;
  const whole = (rounded / 100n).toString().replaceAll(/\B(?=(\d{3})+$)/g, ",");
  return `${sign}${whole}.${(rounded % 100n).toString().padStart(2, "0")}`;
}

function jsonOf({ lines, unattributed, others, total }: Statement) {
  const quantities = (of: Readonly<Record<string, bigint>>) =>
    Object.fromEntries(Object.entries(of).map(([line, quantity]) => [line, quantityText(quantity)]));
  return {
    currency: total.currency,
    lines: lines.map(({ names, quantities: used, own, idle, shared, total: owed }) => ({
      names,
      used: quantities(used),
      own: formatDecimal(own),
      idle: formatDecimal(idle),
      shared: formatDecimal(shared),
      total: formatDecimal(owed),
    })),
    ...(others === undefined ? {} : { others: formatDecimal(others) }),
    unattributed: unattributed.map(({ line, quantity, amount }) => ({
      line,
      quantity: quantityText(quantity),
      amount: formatDecimal(amount),
    })),
    total: formatDecimal(total),
  };
}

function csvOf({ lines, unattributed, others, total }: Statement): string {
  const row = (cells: readonly string[]) => cells.join(",");
  const owed = lines.map(({ names, own, idle, shared, total: sum }) =>
    row([names.filter(Boolean).join("/"), ...[own, idle, shared, sum].map(formatDecimal)]),
  );
  const rest = others === undefined ? [] : [row(["all others", "", "", "", formatDecimal(others)])];
  const nobody = unattributed.map(({ line, amount }) =>
    row([`nobody: ${line}`, "", "", "", formatDecimal(amount)]),
  );
  return `${[`who,own,idle,shared,total ${total.currency}`, ...owed, ...rest, ...nobody].join("\n")}\n`;
}
