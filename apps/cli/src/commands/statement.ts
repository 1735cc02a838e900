import { resolve } from "node:path";
import {
  type Allocation,
  type AllocationOrder,
  allocateBill,
  type Bill,
  cardUsage,
  chargeBack,
  focusTable,
  paidBy,
  quantityText,
  reaches,
  readBill,
  readCards,
  readCounts,
  readLeases,
  readPayers,
  readPlan,
  readStatement,
  readUsageLines,
  type StatementDocument,
  type StatementQuestion,
  statementActions,
  statementDocument,
  type TenantLevel,
  tenantLevels,
  type UsageLine,
  unitCosts,
} from "@portolan/metering";
import { type Command, Option } from "commander";
import type { CliContext } from "../context.ts";
import type { ContextOf } from "../program.ts";
import { badUsage, readInput } from "../read-input.ts";
import { focusFile, statementCsv, statementParquet } from "../statement/statement-files.ts";
import { statementPage } from "../statement/statement-page.ts";
import { statementText } from "../statement/statement-text.ts";
import { type NamedUsage, recordedUsage } from "../usage/recorded-usage.ts";
import { writeNew } from "../write-new.ts";

interface StatementOptions {
  readonly usage?: string;
  readonly recorded?: string;
  readonly cards?: string;
  readonly leases?: string;
  readonly quotas?: string;
  readonly bill: string;
  readonly by: string;
  readonly idle: "separate" | "split";
  readonly shared: string;
  readonly only?: string;
  readonly month?: string;
  readonly chargebackFrom?: string;
  readonly payers?: string;
  readonly engineering: readonly string[];
  readonly counts?: string;
  readonly earlier: readonly string[];
  readonly plan: readonly string[];
  readonly format?: "csv" | "parquet" | "json";
  readonly out?: string;
  readonly csv?: string;
  readonly html?: string;
  readonly focus?: string;
  readonly issuer: string;
  readonly force?: boolean;
}

const levels: Readonly<Record<string, TenantLevel>> = {
  "business-unit": "businessUnit",
  team: "team",
  "use-case": "useCase",
  model: "model",
  environment: "environment",
};

/** Who owes what of a bill; needs no server. */
export function registerStatementCommand(program: Command, contextOf: ContextOf): void {
  const statement = program
    .command("statement")
    .description(
      "Split a bill by usage, to the last billionth: who owes what, what nobody used; needs no server",
    )
    .requiredOption(
      "--bill <file.csv>",
      "columns line, kind (metered or shared), amount, currency, capacity",
    );
  usageOptions(statement);
  methodOptions(statement);
  outputOptions(statement);
  statement
    .addHelpText(
      "after",
      "\nExamples:\n  portolan statement --usage usage.csv --bill bill.csv\n  portolan statement --usage usage.csv --bill bill.csv --by use-case --idle split --only finance\n  portolan statement --usage usage.csv --bill bill.csv --month 2026-11 --counts counts.csv --earlier october.json --html november.html --focus november.csv",
    )
    .action(async (options: StatementOptions, command: Command) =>
      makeStatement(contextOf(command), options),
    );
}

function usageOptions(statement: Command): void {
  statement
    .option(
      "--usage <file.csv>",
      "columns business_unit, team, use_case, model, environment, resource, quantity, activity, utilisation",
    )
    .option(
      "--recorded <month>",
      "in the place of --usage what was recorded in a month, e.g. 2026-11; asks the server",
    )
    .option("--cards <file.csv>", "cards that are paid for, for gpu_hours: columns card, model, start, end")
    .option(
      "--leases <file.csv>",
      "who held which part of a card: columns business_unit, team, card, share, start, end",
    )
    .option("--quotas <file.csv>", "what is kept for whom: columns as of usage")
    .option(
      "--counts <file.csv>",
      "inferences, scored_rows and training_runs: columns business_unit, team, what, count; --recorded has its own",
    );
}

function methodOptions(statement: Command): void {
  statement
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
    .option("--month <month>", "of the statement, such as 2026-11; that of --recorded, where none is named")
    .option("--chargeback-from <month>", "from then on it is charged; until then it is shown")
    .option("--payers <file.csv>", "which business unit pays for a use case: columns use_case, business_unit")
    .option(
      "--engineering <units...>",
      "who runs the platform: charged nothing, what they owe is shared by the others",
      [],
    )
    .option("--earlier <files.json...>", "statements of earlier months, for the trend", [])
    .option("--plan <files.json...>", "what portolan plan --json printed, beside what it came to", []);
}

function outputOptions(statement: Command): void {
  statement
    .option("--csv <file>", "write the statement there; the same as --format csv --out")
    .addOption(
      new Option("--format <format>", "of the file that --out names").choices(["csv", "parquet", "json"]),
    )
    .option("--out <file>", "write the statement there")
    .option("--html <file>", "write it as a page to read, without anything from elsewhere")
    .option(
      "--focus <file>",
      "write it as a cost and usage table of FOCUS 1.2, as the name ends: .csv, .parquet, .json",
    )
    .option("--issuer <name>", "who charges, in FOCUS", "AI platform")
    .option("--force", "overwrite files that are there");
}

async function makeStatement(context: CliContext, given: StatementOptions): Promise<void> {
  const month = given.month ?? given.recorded;
  const options = month === undefined ? given : { ...given, month };
  requireCoherent(options);
  const read = (file: string) => readInput(context, file);
  const paper = readBill(await read(options.bill), options.bill);
  const payers =
    options.payers === undefined
      ? new Map<string, string>()
      : readPayers(await read(options.payers), options.payers);
  const { usage, bill, stranded, counts } = await usageAndBill(context, options, { paper, payers, read });
  const quotas =
    options.quotas === undefined
      ? undefined
      : paidBy(readUsageLines(await read(options.quotas), options.quotas), payers);
  const order: AllocationOrder = {
    idle: options.idle,
    shared: sharedOf(options.shared),
    ...(quotas === undefined ? {} : { quotas }),
  };
  const mode = modeOf(options);
  const split = allocateBill(bill, usage, order);
  for (const unit of options.engineering)
    if (!split.lines.some(({ tenant }) => tenant.businessUnit === unit))
      context.output.note(`${unit} (--engineering) is no business unit of this statement: nothing is moved`);
  const allocation = mode === "chargeback" ? chargeBack(split, new Set(options.engineering)) : split;
  const level = levels[options.by] ?? "team";
  const earlier = await Promise.all(
    options.earlier.map(async (file) => readStatement(await read(file), file)),
  );
  const at = (one: TenantLevel): StatementQuestion => ({
    allocation,
    mode,
    level: one,
    engineering: options.engineering,
    ...(options.chargebackFrom === undefined ? {} : { chargebackFrom: options.chargebackFrom }),
    ...(options.month === undefined ? {} : { month: options.month }),
    ...(options.only === undefined ? {} : { only: options.only }),
    ...(counts === undefined ? {} : { unitCosts: unitCosts(allocation, usage, counts, one) }),
  });
  const document = statementDocument({
    ...at(level),
    ...(saysWhatFor(usage) ? { actions: statementActions(allocation, usage, level) } : {}),
    ...(stranded === undefined ? {} : { stranded }),
    earlier,
    plans: await Promise.all(options.plan.map(async (file) => readPlan(await read(file), file))),
  });
  const deeper = options.html === undefined ? [] : tenantLevels;
  // A level that earlier statements do not go down to has no trend.
  const atLevels = deeper.map((one) =>
    statementDocument({ ...at(one), earlier: earlier.every((of) => reaches(of, one)) ? earlier : [] }),
  );
  await writeFiles(context, options, { document, atLevels, allocation });
  context.output.result(document, statementText(document));
}

/** Usage that says neither what it was for nor how busy it was gives nothing to act on. */
function saysWhatFor(usage: readonly UsageLine[]): boolean {
  return usage.some(({ activity, utilisation }) => activity !== undefined || utilisation !== undefined);
}

const monthPattern = /^\d{4}-(?:0[1-9]|1[0-2])$/;

function requireCoherent(options: StatementOptions): void {
  const { usage, recorded, cards, leases, month, chargebackFrom, format, out, focus } = options;
  if (usage === undefined && recorded === undefined && leases === undefined)
    throw badUsage("nothing says who used what", "Add --usage, --recorded, or --cards and --leases.");
  if (usage !== undefined && recorded !== undefined)
    throw badUsage(
      "one of --usage and --recorded is needed",
      "Name a file, or a month whose usage was recorded.",
    );
  if ((cards === undefined) !== (leases === undefined))
    throw badUsage("--cards and --leases go together", "The one says what there is, the other who held it.");
  for (const [name, value] of [
    ["--month", month],
    ["--chargeback-from", chargebackFrom],
  ] as const)
    if (value !== undefined && !monthPattern.test(value))
      throw badUsage(`${name} ${value.slice(0, 20)} is no month`, "Write it as 2026-11.");
  if (chargebackFrom !== undefined && month === undefined)
    throw badUsage("--chargeback-from needs the month of the statement", "Add --month 2026-11.");
  if ((format === undefined) !== (out === undefined))
    throw badUsage("--format and --out go together", "Write e.g. --format parquet --out november.parquet.");
  if (focus !== undefined && month === undefined)
    throw badUsage("FOCUS states the period of each charge", "Add --month 2026-11.");
}

function modeOf({ month, chargebackFrom }: StatementOptions): "showback" | "chargeback" {
  return month !== undefined && chargebackFrom !== undefined && month >= chargebackFrom
    ? "chargeback"
    : "showback";
}

const cardLine = "gpu_hours";

/** Usage of all files, as of those who pay for it; the line of cards has their hours as its capacity. */
async function usageAndBill(
  context: CliContext,
  options: StatementOptions,
  {
    paper: bill,
    payers,
    read,
  }: {
    readonly paper: Bill;
    readonly payers: ReadonlyMap<string, string>;
    readonly read: (file: string) => Promise<string>;
  },
): Promise<NamedUsage & { readonly bill: Bill; readonly stranded?: bigint }> {
  const { usage: named, counts } = await namedUsage(context, options, bill, read);
  const counted = counts === undefined ? {} : { counts: paidBy(counts, payers) };
  if (options.cards === undefined || options.leases === undefined)
    return { usage: paidBy(named, payers), bill, ...counted };
  const cards = readCards(await read(options.cards), options.cards);
  const found = cardUsage(
    cards,
    readLeases(await read(options.leases), options.leases),
    options.leases,
    cardLine,
  );
  return {
    usage: paidBy([...named, ...found.usage], payers),
    bill: withCards(bill, found.capacity),
    stranded: found.stranded,
    ...counted,
  };
}

/** From files, or as it was recorded; a file of counts goes before what was counted. */
async function namedUsage(
  context: CliContext,
  { usage, recorded, counts }: StatementOptions,
  bill: Bill,
  read: (file: string) => Promise<string>,
): Promise<NamedUsage> {
  const stated = counts === undefined ? {} : { counts: readCounts(await read(counts), counts) };
  if (usage !== undefined) return { usage: readUsageLines(await read(usage), usage), ...stated };
  if (recorded === undefined) return { usage: [], ...stated };
  const metered = bill.lines.filter(({ kind }) => kind === "metered");
  const found = await recordedUsage(context, recorded, new Set(metered.map(({ name }) => name)));
  return { ...found, ...stated };
}

function withCards(bill: Bill, capacity: bigint): Bill {
  const line = bill.lines.find(({ name }) => name === cardLine);
  if (line?.capacity !== undefined && line.capacity !== capacity)
    throw badUsage(
      `the bill has ${quantityText(line.capacity)} ${cardLine}, the cards come to ${quantityText(capacity)}`,
      "One of both is of another stretch of time; or leave the bill's capacity empty.",
    );
  return { ...bill, lines: bill.lines.map((one) => (one === line ? { ...one, capacity } : one)) };
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

async function writeFiles(
  context: CliContext,
  options: StatementOptions,
  made: {
    readonly document: StatementDocument;
    readonly atLevels: readonly StatementDocument[];
    readonly allocation: Allocation;
  },
): Promise<void> {
  const { document, atLevels, allocation } = made;
  const write = async (file: string, content: string | Uint8Array) =>
    writeNew(resolve(context.cwd, file), content, options.force === true);
  if (options.csv !== undefined) await write(options.csv, statementCsv(document));
  if (options.html !== undefined) await write(options.html, statementPage(document, atLevels));
  if (options.focus !== undefined && options.month !== undefined) {
    const issuer = { name: options.issuer, accountId: options.issuer, accountName: options.issuer };
    const table = focusTable(allocation, issuer, periodOf(options.month));
    await write(options.focus, await focusFile(options.focus, table));
  }
  if (options.out === undefined) return;
  if (options.format === "parquet") await write(options.out, await statementParquet(document));
  else
    await write(
      options.out,
      options.format === "json" ? `${JSON.stringify(document, null, 2)}\n` : statementCsv(document),
    );
}

/** The calendar month, in UTC. */
function periodOf(month: string): { readonly start: string; readonly end: string } {
  const [year = 0, number = 0] = month.split("-").map(Number);
  const next = number === 12 ? `${year + 1}-01` : `${year}-${String(number + 1).padStart(2, "0")}`;
  return { start: `${month}-01T00:00:00Z`, end: `${next}-01T00:00:00Z` };
}
