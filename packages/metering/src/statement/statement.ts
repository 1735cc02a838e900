import { addMoney, formatDecimal, type Money, money, subtractMoney, zeroMoney } from "@portolan/kernel";
import { type Static, Type, Value } from "@portolan/typebox";
import type { Allocation } from "../allocate-bill.ts";
import { fileNotValid } from "../file-not-valid.ts";
import { type TenantLevel, tenantLevels } from "../lines.ts";
import { quantityText } from "../quantity.ts";
import { rollUp, type StatementLine } from "../roll-up.ts";
import { type Action, isPredicting } from "./actions.ts";
import { notComparable } from "./not-comparable.ts";
import { type EarlierMonth, earlierMonths } from "./trend.ts";
import type { UnitCost } from "./unit-costs.ts";

const Amount = Type.String({ pattern: "^-?\\d+(\\.\\d{1,9})?$" });
const Month = Type.String({ pattern: "^\\d{4}-(0[1-9]|1[0-2])$" });

const Line = Type.Object({
  names: Type.Array(Type.String()),
  /** Of each metered line. */
  used: Type.Record(Type.String(), Type.String()),
  own: Amount,
  quota: Amount,
  idle: Amount,
  shared: Amount,
  total: Amount,
  /** What a thousand inferences, or a run of training, came to. */
  unitCosts: Type.Optional(
    Type.Array(
      Type.Object({
        what: Type.String(),
        count: Type.String(),
        per: Type.String(),
        cost: Amount,
        of: Type.Enum(["activity", "all"]),
      }),
    ),
  ),
  /** What it can do about its own use, the costliest first; the costs sum to `own`. */
  actions: Type.Optional(
    Type.Array(
      Type.Object({
        kind: Type.Enum(["stop_idle", "move_to_cpu", "as_expected"]),
        activity: Type.String(),
        useCases: Type.Array(Type.String()),
        /** Of `own`, 0 to 1. */
        share: Type.String(),
        cost: Amount,
        /** In the month; of predictions on processors less what those cost. */
        savesAtMost: Type.Optional(Amount),
        command: Type.Optional(Type.String()),
      }),
    ),
  ),
  /** Earlier months, the oldest first; a month in which it was not there is 0. */
  trend: Type.Optional(Type.Array(Type.Object({ month: Month, total: Amount }))),
});

const PlanFigures = Type.Object({
  useCase: Type.String(),
  low: Amount,
  expected: Amount,
  high: Amount,
  ceiling: Type.Optional(Amount),
  actual: Amount,
  /** Actual less expected. */
  difference: Amount,
  verdict: Type.Enum(["below", "as_planned", "above", "over_ceiling"]),
});

/** A statement as a document: what `portolan statement --json` prints, and what later statements read for their trend. Amounts are exact texts. */
export const StatementDocument = Type.Object({
  version: Type.Literal("portolan-statement/1"),
  month: Type.Optional(Month),
  /** Charged from a month on; until then it is only shown. */
  mode: Type.Enum(["showback", "chargeback"]),
  /** The first month that is charged; absent where nobody has said when. */
  chargebackFrom: Type.Optional(Month),
  /** To whom, in a chargeback: business units, the largest first. With what is unattributed, and others, they sum to the bill. */
  charged: Type.Optional(Type.Array(Type.Object({ businessUnit: Type.String(), amount: Amount }))),
  /** Who runs the platform and is charged nothing: the others share what they owe. */
  notCharged: Type.Optional(Type.Array(Type.String())),
  currency: Type.String(),
  by: Type.Enum([...tenantLevels]),
  lines: Type.Array(Line),
  /** Of business units that are not shown. */
  others: Type.Optional(Amount),
  unattributed: Type.Array(Type.Object({ line: Type.String(), quantity: Type.String(), amount: Amount })),
  plans: Type.Optional(Type.Array(PlanFigures)),
  /** Hours of slices, among what nobody used, that no instance could have used. */
  stranded: Type.Optional(Type.String()),
  total: Amount,
});
export type StatementDocument = Static<typeof StatementDocument>;
export type PlanFigures = Static<typeof PlanFigures>;

export interface StatementQuestion {
  readonly allocation: Allocation;
  readonly level: TenantLevel;
  readonly month?: string;
  readonly mode: "showback" | "chargeback";
  readonly chargebackFrom?: string;
  /** Who runs the platform; named in a chargeback. */
  readonly engineering?: readonly string[];
  /** One business unit; all others are one amount. */
  readonly only?: string;
  readonly unitCosts?: ReadonlyMap<string, readonly UnitCost[]>;
  readonly actions?: ReadonlyMap<string, readonly Action[]>;
  readonly earlier?: readonly StatementDocument[];
  readonly plans?: readonly PlannedCost[];
  /** Of cards that were cut, in `partsPerUnit`. */
  readonly stranded?: bigint;
}

/** What a plan of a use case says for a month of production. */
export interface PlannedCost {
  readonly useCase: string;
  readonly low: Money;
  readonly expected: Money;
  readonly high: Money;
  readonly ceiling?: Money;
}

/**
 * The statement of a month. Its lines, what others owe and what is unattributed sum to the bill; showing less reckons nothing anew. Pure.
 *
 * @throws PortolanError `metering.statement_not_comparable` for a business unit that is not there, or earlier statements or plans of another currency, or earlier ones that go less deep
 */
export function statementDocument(question: StatementQuestion): StatementDocument {
  const { allocation, level, month, only, earlier = [], plans = [], stranded } = question;
  const { total, unattributed } = allocation;
  const all = rollUp(allocation, level);
  const lines = only === undefined ? all : all.filter(({ names: [unit] }) => unit === only);
  if (only !== undefined && lines.length === 0)
    throw notComparable(
      `no business unit ${JSON.stringify(only.slice(0, 60))} is on the statement`,
      `It has ${[...new Set(all.map(({ names: [unit = ""] }) => unit))].join(", ")}.`,
    );
  const rest = all.filter((line) => !lines.includes(line));
  const months = earlierMonths(earlier, { month, level, only, currency: total.currency });
  return {
    version: "portolan-statement/1",
    ...(month === undefined ? {} : { month }),
    ...modeFields(question),
    currency: total.currency,
    by: level,
    lines: lines.map((line) => lineDocument(line, question, months)),
    ...(only === undefined ? {} : { others: formatDecimal(sumOf(rest, total.currency)) }),
    unattributed: unattributed.map(({ line, quantity, amount }) => ({
      line,
      quantity: quantityText(quantity),
      amount: formatDecimal(amount),
    })),
    ...(plans.length === 0 ? {} : { plans: plans.map((plan) => planFigures(plan, allocation)) }),
    ...(stranded === undefined ? {} : { stranded: quantityText(stranded) }),
    total: formatDecimal(total),
  };
}

/** Since when, and to whom. */
function modeFields({ mode, chargebackFrom, engineering = [], allocation, only }: StatementQuestion) {
  const from = chargebackFrom === undefined ? {} : { chargebackFrom };
  if (mode === "showback") return { mode, ...from };
  const charged = rollUp(allocation, "businessUnit")
    .filter(({ names: [unit] }) => only === undefined || unit === only)
    .map(({ names: [unit = ""], total }) => ({ businessUnit: unit, amount: formatDecimal(total) }));
  return {
    mode,
    ...from,
    charged,
    ...(engineering.length === 0 ? {} : { notCharged: [...engineering].sort() }),
  };
}

function lineDocument(
  line: StatementLine,
  { unitCosts, actions }: StatementQuestion,
  months: readonly EarlierMonth[],
): StatementDocument["lines"][number] {
  const { names, quantities, own, quota, idle, shared, total } = line;
  const key = JSON.stringify(names);
  const costs = unitCosts?.get(key) ?? [];
  const advised = actions?.get(key) ?? [];
  return {
    names: [...names],
    used: Object.fromEntries(
      Object.entries(quantities).map(([name, quantity]) => [name, quantityText(quantity)]),
    ),
    own: formatDecimal(own),
    quota: formatDecimal(quota),
    idle: formatDecimal(idle),
    shared: formatDecimal(shared),
    total: formatDecimal(total),
    ...(costs.length === 0
      ? {}
      : {
          unitCosts: costs.map(({ what, count, per, cost, of }) => ({
            what,
            count: String(count),
            per: String(per),
            cost: formatDecimal(cost),
            of,
          })),
        }),
    ...(advised.length === 0 ? {} : { actions: advised.map(actionDocument) }),
    ...(months.length === 0
      ? {}
      : { trend: months.map(({ month, totals }) => ({ month, total: totals.get(key) ?? "0" })) }),
  };
}

function actionDocument(action: Action) {
  const { kind, activity, useCases, cost, share } = action;
  const amount = formatDecimal(cost);
  const command = commandOf(action);
  return {
    kind,
    activity,
    useCases: [...useCases],
    share: share.toFixed(4),
    cost: amount,
    ...(kind === "as_expected" ? {} : { savesAtMost: amount }),
    ...(command === undefined ? {} : { command }),
  };
}

/** What does it; words in capitals are the reader's, for a bill names neither runs nor endpoints. */
function commandOf({ kind, activity, useCases }: Action): string | undefined {
  if (kind === "as_expected") return undefined;
  // Predictions are answered by endpoints; all else that holds a card is a run.
  if (kind === "stop_idle" && !isPredicting(activity)) return "portolan job cancel ID";
  const [useCase = "USE_CASE", ...others] = useCases;
  const deploy = `portolan endpoint deploy ENDPOINT MODEL VERSION --use-case ${others.length === 0 ? useCase : "USE_CASE"}`;
  return `${deploy} --keep ${kind === "stop_idle" ? "--workers 0..1" : "--backend none"}`;
}

function sumOf(lines: readonly StatementLine[], currency: string): Money {
  return lines.reduce((sum, { total }) => addMoney(sum, total), zeroMoney(currency));
}

function planFigures(plan: PlannedCost, { lines, total }: Allocation): PlanFigures {
  const { useCase, low, expected, high, ceiling } = plan;
  if (expected.currency !== total.currency)
    throw notComparable(
      `the plan of ${useCase} is in ${expected.currency}`,
      `The bill is in ${total.currency}.`,
    );
  const actual = lines
    .filter(({ tenant }) => tenant.useCase === useCase)
    .reduce(
      (sum, { own, quota, idle, shared }) => [own, quota, idle, shared].reduce(addMoney, sum),
      zeroMoney(total.currency),
    );
  const isOver = ceiling !== undefined && ceiling.currency === total.currency && actual.nanos > ceiling.nanos;
  const verdict = isOver
    ? "over_ceiling"
    : actual.nanos > high.nanos
      ? "above"
      : actual.nanos < low.nanos
        ? "below"
        : "as_planned";
  return {
    useCase,
    low: formatDecimal(low),
    expected: formatDecimal(expected),
    high: formatDecimal(high),
    ...(ceiling === undefined ? {} : { ceiling: formatDecimal(ceiling) }),
    actual: formatDecimal(actual),
    difference: formatDecimal(subtractMoney(actual, expected)),
    verdict,
  };
}

/** @throws PortolanError `metering.file_not_valid` for what is no statement of this form */
export function readStatement(text: string, file: string): StatementDocument {
  return parsed(
    StatementDocument,
    text,
    file,
    "Name what portolan statement --json printed.",
  ) as StatementDocument;
}

const PlanTotals = Type.Object({
  useCase: Type.String(),
  production: Type.Object({
    total: Type.Object({ low: Type.String(), expected: Type.String(), high: Type.String() }),
  }),
  budget: Type.Object({ ceiling: Type.String() }),
});

/** Reads what `portolan plan --json` printed: its month of production. @throws PortolanError `metering.file_not_valid` */
export function readPlan(text: string, file: string): PlannedCost {
  const mend = "Name what portolan plan --json printed of a use case that has figures for production.";
  const { useCase, production, budget } = parsed(PlanTotals, text, file, mend) as Static<typeof PlanTotals>;
  const of = (amount: string): Money => {
    const [decimal = "", currency = ""] = amount.split(" ");
    return money(decimal, currency);
  };
  const { low, expected, high } = production.total;
  return { useCase, low: of(low), expected: of(expected), high: of(high), ceiling: of(budget.ceiling) };
}

function parsed(
  schema: typeof StatementDocument | typeof PlanTotals,
  text: string,
  file: string,
  mend: string,
): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw fileNotValid(file, [{ detail: "it is no JSON", at: { file } }], mend);
  }
  const [fault] = [...Value.Errors(schema, value)];
  if (fault)
    throw fileNotValid(
      file,
      [{ detail: `${fault.instancePath || "the file"} ${fault.message}`, at: { file } }],
      mend,
    );
  return value;
}
