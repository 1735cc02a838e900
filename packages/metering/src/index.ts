import type { MigrationSet } from "@portolan/kernel";
import type { FastifyInstance } from "fastify";
import { type BudgetRouteDeps, budgetRoutes } from "./routes/budgets.ts";
import { type UsageRouteDeps, usageRoutes } from "./routes/usage.ts";

export { type Allocation, type AllocationOrder, allocateBill } from "./allocate-bill.ts";
export { type BillMapping, joinBills, lineOf, mapBill, readBillMapping } from "./bills/bill-mapping.ts";
export {
  type Card,
  type CardUsage,
  cardUsage,
  type Lease,
  readCards,
  readLeases,
} from "./bills/card-usage.ts";
export { type Charge, chargeCategories, type ProviderBill } from "./bills/charge.ts";
export {
  assetMonths,
  type DepreciationSchedule,
  depreciationBill,
  readDepreciation,
} from "./bills/depreciation.ts";
export { attosText } from "./bills/exact-decimal.ts";
export { providerBillColumns, readProviderBill } from "./bills/read-provider-bill.ts";
export { type Reconciliation, reconcileBill, reconcileParts } from "./bills/reconcile.ts";
export {
  type BudgetCharters,
  type BudgetDeps,
  type BudgetTerms,
  judgeBudgets,
  judgeWeeks,
  requireBudget,
} from "./budget/read-budgets.ts";
export { type SpendingFinding, spendingFindings } from "./budget/spending-findings.ts";
export type { UsagePrices } from "./budget/usage-cost.ts";
export { type MeteringErrorCode, meteringErrors } from "./errors.ts";
export { checkRules, type RuleFinding, type RuleReport } from "./focus/check-rules.ts";
export { focusColumns, focusType } from "./focus/focus-columns.ts";
export { focusJson } from "./focus/focus-json.ts";
export { type FocusIssuer, type FocusPeriod, focusTable } from "./focus/focus-table.ts";
export { readTableJson } from "./focus/read-table-json.ts";
export { readRuleModel } from "./focus/rule-model.ts";
export { csvText, type Table } from "./focus/table.ts";
export { type Bill, type Tenant, type TenantLevel, tenantLevels, type UsageLine } from "./lines.ts";
export { quantityText } from "./quantity.ts";
export { billCsv, readBill, readUsageLines } from "./read-lines.ts";
export { rollUp, type StatementLine } from "./roll-up.ts";
export { type Action, statementActions } from "./statement/actions.ts";
export { chargeBack, paidBy, readPayers } from "./statement/charge-back.ts";
export {
  type PlanFigures,
  type PlannedCost,
  readPlan,
  readStatement,
  StatementDocument,
  type StatementQuestion,
  statementDocument,
} from "./statement/statement.ts";
export { reaches } from "./statement/trend.ts";
export { activityCosts, type CountLine, counted, readCounts, unitCosts } from "./statement/unit-costs.ts";
export { type CardUse, readCardUse } from "./usage/card-use.ts";
export {
  type Collected,
  type CollectOrder,
  collectFromOpenCost,
  collectFromPrometheus,
} from "./usage/cluster/collect.ts";
export type { HourWithGap } from "./usage/cluster/prometheus-usage.ts";
export { type CountDeps, countAcceptedBlocks, dropBlockUsage } from "./usage/count-accepted-blocks.ts";
export { dayMicros } from "./usage/daily-usage.ts";
export { meteringFacts } from "./usage/facts-store.ts";
export { dropOwn, type MeterDeps, meterOwn } from "./usage/meter-own.ts";
export { addMonths, boundsOf, parsePeriod, periodOf } from "./usage/period.ts";
export type { TenantPlace, Tenants } from "./usage/ports.ts";
export { readUsageJson, readUsageRecords } from "./usage/read-records.ts";
export { recordedCounts } from "./usage/recorded-counts.ts";
export { amountText as countedText } from "./usage/resources.ts";
export { statementLines } from "./usage/statement-lines.ts";
export type { UsageRecord } from "./usage/usage-record.ts";
export { isOf, type SeriesQuery, type SeriesRecord, usageSeries } from "./usage/usage-series.ts";

export type MeteringDeps = UsageRouteDeps & BudgetRouteDeps;

export const meteringMigrations: MigrationSet = {
  package: "metering",
  directory: new URL("../migrations/", import.meta.url),
  // Views of others are read, and nothing here is made of them.
  after: [],
};

export async function registerMeteringRoutes(app: FastifyInstance, deps: MeteringDeps): Promise<void> {
  await app.register((scope) => usageRoutes(scope, deps));
  await app.register((scope) => budgetRoutes(scope, deps));
}
