/** What others may see of metering. */
import { type Static, Type } from "@portolan/typebox";

const closed = { additionalProperties: false } as const;
const Name = Type.String({ maxLength: 200 });
const Micros = (description: string) => Type.Integer({ minimum: 0, description });

export const UsageTenantView = Type.Object(
  {
    businessUnit: Name,
    team: Name,
    useCase: Name,
    model: Name,
    environment: Name,
  },
  { ...closed, description: "Who used it; what is not known is empty" },
);

/** A record as it is sent and shown. */
export const UsageRecordView = Type.Object(
  {
    id: Type.String({
      minLength: 1,
      maxLength: 700,
      description: "Stable: the same thing again has the same",
    }),
    meter: Type.String({
      minLength: 1,
      maxLength: 700,
      description: "What was metered: an endpoint, a run, a container; it counts a moment once",
    }),
    tenant: UsageTenantView,
    resource: Type.String({ pattern: "^[a-z][a-z0-9_]{0,59}$", description: "As bills name it: gpu_hours" }),
    quantity: Type.String({
      pattern: "^\\d{1,36}$",
      description: "Whole number of the resource's smallest unit",
    }),
    start: Micros("Epoch microseconds"),
    end: Micros("Epoch microseconds, exclusive"),
  },
  closed,
);
export type UsageRecordView = Static<typeof UsageRecordView>;

/** Most records of one request. */
export const mostRecords = 5000;

export const UsageImport = Type.Object(
  {
    source: Type.String({
      pattern: "^[a-z0-9][a-z0-9._-]{0,59}$",
      description: "Who counted; its records are kept as import/<source>",
    }),
    records: Type.Array(UsageRecordView, { minItems: 1, maxItems: mostRecords }),
    replace: Type.Optional(
      Type.Boolean({ description: "Records of the same ids that say otherwise give way to these" }),
    ),
  },
  closed,
);
export type UsageImport = Static<typeof UsageImport>;

export const UsageReceipt = Type.Object({
  recorded: Type.Integer({ description: "Records that are new, or took another's place" }),
  known: Type.Integer({ description: "Records that were there already" }),
  changedPeriods: Type.Array(Type.String(), {
    description: "Months that had ended, and are not what they were",
  }),
});
export type UsageReceipt = Static<typeof UsageReceipt>;

export const usageQueryLevels = ["business-unit", "team", "use-case", "model", "environment"] as const;

export const UsageLineView = Type.Object({
  names: Type.Array(Type.String(), { description: "From the business unit down to the level asked for" }),
  resource: Type.String(),
  unit: Type.String({ description: "Smallest unit" }),
  quantity: Type.String({ description: "Whole number of smallest units, exact" }),
  amount: Type.String({ description: "The same in the unit that bills are in: a decimal, or a fraction" }),
  activity: Type.Optional(
    Type.String({
      description: "What it was for: serving, training or scoring; absent where its source does not say",
    }),
  ),
});
export type UsageLineView = Static<typeof UsageLineView>;

export const UsageReport = Type.Object({
  period: Type.String({ description: "Month in UTC" }),
  lines: Type.Array(UsageLineView),
  changed: Type.Union(
    [Type.Null(), Type.Object({ records: Type.Integer(), lastAt: Micros("Epoch microseconds") })],
    { description: "What came after the month had ended" },
  ),
});
export type UsageReport = Static<typeof UsageReport>;

export const UsagePage = Type.Object({
  records: Type.Array(
    Type.Intersect([
      Type.Object({ source: Type.String(), recordedAt: Micros("Epoch microseconds") }),
      Type.Omit(UsageRecordView, []),
    ]),
  ),
  next: Type.Union([Type.String(), Type.Null()], { description: "`after` of the next page" }),
});
export type UsagePage = Static<typeof UsagePage>;

const MoneyText = Type.String({ description: "Decimal and currency, e.g. 12.5 USD" });

export const BudgetView = Type.Object({
  useCaseId: Type.String(),
  useCase: Type.String(),
  period: Type.String({ description: "Month in UTC" }),
  ceiling: MoneyText,
  spent: Type.String({ description: "Recorded usage at the price book's prices" }),
  forecast: Type.Union(
    [
      Type.Null(),
      Type.Object({
        expected: MoneyText,
        low: MoneyText,
        high: MoneyText,
        days: Type.Integer({ description: "Days that it rests on" }),
      }),
    ],
    { description: "What the month comes to, with an interval of 80 %; null with fewer than three days" },
  ),
  passed: Type.Array(Type.Integer(), { description: "Percentages of the ceiling that are spent" }),
  exceeds: Type.Enum(["did", "will", "may", "unlikely"]),
  beyond: Type.Enum(["alert", "hold"], { description: "The charter: what more than the ceiling means" }),
  holds: Type.Boolean({ description: "No new training runs and scorings" }),
  unpriced: Type.Array(Type.String(), { description: "Resources that were used and have no price" }),
});
export type BudgetView = Static<typeof BudgetView>;

export const UnjudgedBudgetView = Type.Object({
  useCaseId: Type.String(),
  useCase: Type.String(),
  ceiling: MoneyText,
  beyond: Type.Enum(["alert", "hold"], { description: "The charter; neither happens" }),
  because: Type.String(),
});
export type UnjudgedBudgetView = Static<typeof UnjudgedBudgetView>;

export const BudgetReport = Type.Object({
  budgets: Type.Array(BudgetView),
  unjudged: Type.Array(UnjudgedBudgetView, {
    description: "Ceilings that nothing is held against, for their currency has no rate of exchange",
  }),
});
export type BudgetReport = Static<typeof BudgetReport>;

export const AnomalyReport = Type.Object({
  anomalies: Type.Array(
    Type.Object({
      businessUnit: Type.String(),
      team: Type.String(),
      resource: Type.String(),
      current: Type.String({ description: "Of the last seven whole days, in smallest units" }),
      usual: Type.String({ description: "Of a usual week, in smallest units" }),
      percent: Type.Union([Type.Null(), Type.String()], {
        description: "Growth; null where there was nothing",
      }),
      summary: Type.String(),
    }),
  ),
});
export type AnomalyReport = Static<typeof AnomalyReport>;
