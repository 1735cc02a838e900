import { routeConfig } from "@portolan/http-contract";
import { formatMoney } from "@portolan/kernel";
import type { FastifyInstance } from "fastify";
import { estimated } from "../budget/judge-budget.ts";
import { type Budget, readAnomalies, readBudgets } from "../budget/read-budgets.ts";
import { AnomalyReport, BudgetReport, type BudgetView } from "../usage/contract.ts";

const tags = ["metering"];

export type BudgetRouteDeps = Parameters<typeof readBudgets>[0];

export async function budgetRoutes(app: FastifyInstance, deps: BudgetRouteDeps): Promise<void> {
  app.get(
    "/v1/budgets",
    {
      config: routeConfig("usage:read", "read"),
      schema: {
        summary: "What use cases have spent of what their charters allow, and what the month comes to",
        tags,
        response: { 200: BudgetReport },
      },
    },
    async ({ call }) => {
      const { budgets, unjudged } = await readBudgets(deps, call);
      return {
        budgets: budgets.map(viewOf),
        unjudged: unjudged.map(({ ceiling, ...rest }) => ({ ...rest, ceiling: formatMoney(ceiling) })),
      };
    },
  );
  app.get(
    "/v1/usage/anomalies",
    {
      config: routeConfig("usage:read", "read"),
      schema: {
        summary: "Teams whose last seven days are out of the ordinary",
        tags,
        response: { 200: AnomalyReport },
      },
    },
    async ({ call }) => ({
      anomalies: (await readAnomalies(deps, call)).map(({ current, usual, percent, ...rest }) => ({
        ...rest,
        current: current.toString(),
        usual: usual.toString(),
        percent: percent === null ? null : percent.toString(),
      })),
    }),
  );
}

function viewOf({ ceiling, spent, forecast, passed, unpriced, ...rest }: Budget): BudgetView {
  const shown = (nanos: number) => formatMoney(estimated(nanos, ceiling));
  return {
    ...rest,
    ceiling: formatMoney(ceiling),
    spent: formatMoney(spent),
    forecast: forecast
      ? {
          expected: shown(forecast.expected),
          low: shown(forecast.low),
          high: shown(forecast.high),
          days: forecast.days,
        }
      : null,
    passed: [...passed],
    unpriced: [...unpriced],
  };
}
