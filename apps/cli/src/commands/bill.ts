import { resolve } from "node:path";
import { formatDecimal } from "@portolan/kernel";
import {
  attosText,
  type Bill,
  type BillMapping,
  billCsv,
  type Charge,
  checkRules,
  depreciationBill,
  joinBills,
  mapBill,
  type ProviderBill,
  providerBillColumns,
  quantityText,
  type Reconciliation,
  type RuleReport,
  readBill,
  readBillMapping,
  readDepreciation,
  readProviderBill,
  readRuleModel,
  reconcileBill,
  reconcileParts,
} from "@portolan/metering";
import { type Command, Option } from "commander";
import { readBillTable } from "../bill/read-table.ts";
import type { CliContext } from "../context.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";
import { badUsage, readInput } from "../read-input.ts";
import { writeNew } from "../write-new.ts";

type Cost = "billed" | "effective";

/** Bills of providers, and of machines of one's own; needs no server. */
export function registerBillCommands(program: Command, contextOf: ContextOf): void {
  const bill = program
    .command("bill")
    .description("Bills of providers (FOCUS, AWS CUR) and of machines of one's own; needs no server")
    .addHelpText("after", "\nExample:\n  portolan bill show focus-november.csv.gz");
  registerImport(bill, contextOf);
  registerShow(bill, contextOf);
  registerCheck(bill, contextOf);
}

const costOption = () =>
  new Option(
    "--cost <which>",
    "what the invoice asks for, or with what was paid in advance spread over what used it",
  )
    .choices(["billed", "effective"])
    .default("billed");

interface ImportOptions {
  readonly out?: string;
  readonly map?: string;
  readonly cost: Cost;
  readonly month?: string;
  readonly force?: boolean;
}

function registerImport(bill: Command, contextOf: ContextOf): void {
  bill
    .command("import <files...>")
    .description(
      "Make of FOCUS or CUR files (.csv, .csv.gz, .parquet, .json) and depreciation schedules (.yaml) the bill that portolan statement splits",
    )
    .option("--map <file.yaml>", "which charges are which line; without it all are shared lines")
    .addOption(costOption())
    .option("--month <month>", "of depreciation schedules, such as 2026-11")
    .option("--out <file.csv>", "write the bill there")
    .option("--force", "overwrite the file that is there")
    .addHelpText(
      "after",
      "\nExamples:\n  portolan bill import focus.parquet --map lines.yaml --out bill.csv\n  portolan bill import cur.csv.gz machines.yaml --month 2026-11 --map lines.yaml --cost effective --out bill.csv",
    )
    .action(async (files: string[], options: ImportOptions, command: Command) => {
      const context = contextOf(command);
      const mapping = await mappingOf(context, options.map);
      const found: { readonly file: string; readonly bill: Bill; readonly unmatched: number }[] = [];
      for (const file of files) found.push({ file, ...(await billOf(context, file, options, mapping)) });
      const joined = joinBills(found.map((one) => one.bill));
      if (options.out !== undefined)
        await writeNew(resolve(context.cwd, options.out), billCsv(joined), options.force === true);
      context.output.result(importJson(joined, found), importText(joined, found));
    });
}

async function mappingOf(context: CliContext, file: string | undefined): Promise<BillMapping | undefined> {
  return file === undefined ? undefined : readBillMapping(await readInput(context, file), file);
}

async function billOf(
  context: CliContext,
  file: string,
  { month, cost }: ImportOptions,
  mapping: BillMapping | undefined,
): Promise<{ readonly bill: Bill; readonly unmatched: number }> {
  if (!/\.ya?ml$/i.test(file)) return mapBill(await providerBill(context, file), cost, mapping);
  if (month === undefined || !/^\d{4}-(?:0[1-9]|1[0-2])$/.test(month))
    throw badUsage(`${file} is a depreciation schedule: of which month?`, "Add --month 2026-11.");
  const schedule = readDepreciation(await readInput(context, file), file);
  return { bill: depreciationBill(schedule, month, file), unmatched: 0 };
}

async function providerBill(context: CliContext, file: string): Promise<ProviderBill> {
  return readProviderBill(await readBillTable(context, file, providerBillColumns), file);
}

type Imported = readonly { readonly file: string; readonly unmatched: number }[];

function importJson({ currency, lines }: Bill, found: Imported) {
  return {
    currency,
    lines: lines.map(({ name, kind, amount, capacity }) => ({
      line: name,
      kind,
      amount: formatDecimal(amount),
      ...(capacity === undefined ? {} : { capacity: quantityText(capacity) }),
    })),
    total: formatDecimal(totalOf(lines, currency)),
    files: found.map(({ file, unmatched }) => ({ file, unmatched })),
  };
}

function totalOf(lines: Bill["lines"], currency: string) {
  return { nanos: lines.reduce((sum, { amount }) => sum + amount.nanos, 0n), currency };
}

function importText(bill: Bill, found: Imported): string {
  const { currency, lines } = bill;
  const rows = lines.map(({ name, kind, amount, capacity }) => [
    name,
    kind,
    formatDecimal(amount),
    capacity === undefined ? "" : quantityText(capacity),
  ]);
  const total = ["the bill", "", formatDecimal(totalOf(lines, currency)), ""];
  const notes = found
    .filter(({ unmatched }) => unmatched > 0)
    .map(({ file, unmatched }) => `${file}: ${unmatched} charges match no line of a mapping and are shared.`);
  return [table(["line", "kind", currency, "capacity"], [...rows, total]), ...notes].join("\n");
}

function registerShow(bill: Command, contextOf: ContextOf): void {
  bill
    .command("show <file>")
    .description("What a provider's bill asks for, by category and service")
    .addHelpText("after", "\nExample:\n  portolan bill show cur.parquet")
    .action(async (file: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      const provider = await providerBill(context, file);
      const groups = groupsOf(provider.charges);
      const sum = (of: Cost) => attosText(provider.charges.reduce((total, charge) => total + charge[of], 0n));
      const shown = groups.map(({ category, service, rows, billed, effective }) => ({
        category,
        service,
        rows,
        billed: attosText(billed),
        effective: attosText(effective),
      }));
      const { format, currency, charges } = provider;
      const total = { billed: sum("billed"), effective: sum("effective") };
      context.output.result(
        {
          file,
          format,
          currency,
          rows: charges.length,
          from: firstOf(charges),
          to: lastOf(charges),
          groups: shown,
          total,
        },
        [
          `${file}: ${format}, ${charges.length} charges in ${currency}, ${firstOf(charges)} to ${lastOf(charges)}`,
          table(
            ["category", "service", "charges", "billed", "effective"],
            [
              ...shown.map((group) => [
                group.category,
                group.service,
                String(group.rows),
                group.billed,
                group.effective,
              ]),
              ["all", "", String(charges.length), total.billed, total.effective],
            ],
          ),
        ].join("\n"),
      );
    });
}

function firstOf(charges: readonly Charge[]): string {
  return charges.reduce((first, { start }) => (first === "" || start < first ? start : first), "");
}

function lastOf(charges: readonly Charge[]): string {
  return charges.reduce((last, { end }) => (end > last ? end : last), "");
}

interface Group {
  readonly category: string;
  readonly service: string;
  rows: number;
  billed: bigint;
  effective: bigint;
}

function groupsOf(charges: readonly Charge[]): Group[] {
  const groups = new Map<string, Group>();
  for (const { category: plain, isCorrection, service, billed, effective } of charges) {
    const category = isCorrection ? `${plain}, corrected` : plain;
    const key = JSON.stringify([category, service]);
    const group = groups.get(key) ?? { category, service, rows: 0, billed: 0n, effective: 0n };
    groups.set(key, group);
    group.rows += 1;
    group.billed += billed;
    group.effective += effective;
  }
  return [...groups].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
}

interface CheckOptions {
  readonly focusRules?: string;
  readonly without: readonly string[];
  readonly estimate?: string;
  readonly map?: string;
  readonly cost: Cost;
}

function registerCheck(bill: Command, contextOf: ContextOf): void {
  bill
    .command("check <file>")
    .description(
      "Whether a bill can be read, follows FOCUS's rules (exit code 1 where it does not), and how it differs from an estimate, line by line",
    )
    .option("--focus-rules <model.json>", "the rule model of the FOCUS validator")
    .option("--without <criteria...>", "applicability criteria that do not hold for this provider", [])
    .option("--estimate <bill.csv>", "what was expected: line, kind, amount, currency")
    .option("--map <file.yaml>", "which charges are which line of the estimate")
    .addOption(costOption())
    .addHelpText(
      "after",
      "\nExamples:\n  portolan bill check focus.csv --focus-rules model-1.2.json\n  portolan bill check cur.csv.gz --estimate estimate.csv --map lines.yaml",
    )
    .action(async (file: string, options: CheckOptions, command: Command) => {
      const context = contextOf(command);
      const answer: Record<string, unknown> = { file };
      const texts: string[] = [];
      if (options.focusRules !== undefined) {
        const model = readRuleModel(await readInput(context, options.focusRules), options.focusRules);
        const report = checkRules(model, await readBillTable(context, file), { without: options.without });
        if (report.findings.some(({ severity }) => severity === "must")) process.exitCode = 1;
        answer["rules"] = report;
        texts.push(rulesText(report));
      }
      if (options.focusRules === undefined || options.estimate !== undefined) {
        const provider = await providerBill(context, file);
        answer["charges"] = provider.charges.length;
        texts.unshift(`${file}: ${provider.format}, ${provider.charges.length} charges, each can be read`);
        if (options.estimate !== undefined) {
          const estimate = readBill(await readInput(context, options.estimate), options.estimate);
          if (estimate.currency !== provider.currency)
            throw badUsage(
              `the estimate is in ${estimate.currency}, the bill in ${provider.currency}`,
              "Convert the estimate at the rate that your books use.",
            );
          const found = reconcileBill(
            estimate,
            provider,
            options.cost,
            await mappingOf(context, options.map),
          );
          answer["reconciled"] = reconciledJson(found, provider.currency);
          texts.push(reconciledText(found, provider.currency));
        }
      }
      context.output.result(answer, texts.join("\n"));
    });
}

function rulesText(report: RuleReport): string {
  const counts = `FOCUS ${report.version}: of ${report.staticRules} static rules ${report.checked} checked, ${report.notApplicable} do not apply, ${report.withoutColumn} are of columns that are not there; ${report.dynamicRules} are dynamic and were not`;
  const findings = report.findings.map(
    ({ rule, severity, says, rows, firstRow }) =>
      `  ${severity} ${rule}: ${says}${rows === 0 ? "" : ` (${rows} rows, the first is ${firstRow})`}`,
  );
  return [counts, ...(findings.length === 0 ? ["Nothing was found."] : findings)].join("\n");
}

function reconciledJson({ lines, estimated, actual }: Reconciliation, currency: string) {
  return {
    currency,
    lines: lines.map((line) => ({
      line: line.line,
      where: line.where,
      estimated: attosText(line.estimated),
      actual: attosText(line.actual),
      difference: attosText(line.actual - line.estimated),
      ...Object.fromEntries(reconcileParts.map((part) => [part, attosText(line.parts[part])])),
    })),
    estimated: attosText(estimated),
    actual: attosText(actual),
    difference: attosText(actual - estimated),
  };
}

function reconciledText(found: Reconciliation, currency: string): string {
  const { lines, estimated, actual, difference } = reconciledJson(found, currency);
  const rows = lines.map((line, at) => [
    line.line,
    line.estimated,
    ...reconcileParts.map((part) => attosText(found.lines[at]?.parts[part] ?? 0n)),
    line.actual,
    line.difference,
    line.where === "both" ? "" : line.where === "bill" ? "not estimated" : "not billed",
  ]);
  return table(
    ["line", `estimated ${currency}`, ...reconcileParts, "actual", "difference", ""],
    [...rows, ["all", estimated, ...reconcileParts.map(() => ""), actual, difference, ""]],
  );
}
