import { termsOf } from "@portolan/charter/policy";
import {
  type CallContext,
  type EpochMicros,
  formatMoney,
  isPortolanError,
  type Money,
  PortolanError,
} from "@portolan/kernel";
import { choosePlacement, coreHourPrice, planCurrency } from "@portolan/planner";
import type { ControllerDeps, Permits, RunCosts } from "@portolan/retraining";
import { beyondBudget, costOfWork, parseMonthly, spendingEvidence } from "@portolan/retraining/policy";
import {
  microsTrained,
  runsUnderWay,
  type TrainingRunRequest,
  timeWorked,
  timeWorkedOn,
} from "@portolan/training";
import { trainerLimits } from "./data.ts";
import type { Foundation } from "./foundation.ts";

/** Training runs that an organisation has under way at a time before a retraining waits. */
const mostRunsAtATime = 2;

type Budget = Parameters<Permits["mayRun"]>[2];

/** What permits rest on beside prices and charters. */
export interface PermitParts {
  readonly charters: ControllerDeps["charters"];
  readonly recipes: ControllerDeps["recipes"];
  /** What a run of a request would come to grief by, by the charter's money and the quotas in force. */
  readonly hindrances: (
    call: CallContext,
    request: TrainingRunRequest,
  ) => Promise<readonly { readonly by: string; readonly because: string }[]>;
}

/**
 * Whether there is room: by the runs under way, by the budget of a retraining policy (how long training has taken, and what it has cost at the plan's
 * price of a core), by the charter's ceiling and by the quotas in force.
 */
export function permitsOf(
  { work, clock, prices }: Pick<Foundation, "work" | "clock" | "prices">,
  { charters, recipes, hindrances }: PermitParts,
): Permits {
  const deps = { work, clock, charters, prices };

  return {
    mayRun: async (call, { useCaseId, environment, model, version }, budget) => {
      const { organisationId } = call.actor;
      const now = clock.now();
      const { time } = budget;
      const found = await work.read(call, async (sql) => ({
        runs: await runsUnderWay(sql, organisationId, now),
        micros: time
          ? await microsTrained(sql, { organisationId, useCaseId }, { since: time.since, now })
          : 0,
      }));
      const money = budget.money
        ? await spending(deps, call, useCaseId, budget.money).catch(unpriceable)
        : undefined;
      // Without a recipe there is no run to ask for: the retraining itself says why there is none.
      const made = await recipes.find(call, model, version);
      const run =
        made.kind === "found" ? await hindrances(call, { ...made.recipe.run, environment, useCaseId }) : [];
      const holds = [
        ...(found.runs < mostRunsAtATime
          ? []
          : [
              {
                by: "runs_under_way",
                because: `${found.runs} training runs are under way, and ${mostRunsAtATime} are allowed at a time`,
              },
            ]),
        ...(time && found.micros >= time.ms * 1000
          ? [
              {
                by: "training_hours",
                because: `training has taken ${hours(found.micros / 1000)} hours of its ${hours(time.ms)} within the period`,
              },
            ]
          : []),
        ...(money?.because === undefined ? [] : [{ by: "training_money", because: money.because }]),
        ...run,
      ];
      return holds.length === 0
        ? { kind: "yes", evidence: money?.evidence ?? {} }
        : {
            kind: "no",
            because: holds.map(({ because }) => because).join("; "),
            by: holds.map(({ by }) => by),
          };
    },
  };
}

/** What a run has cost, at the same price: what is on the page of a retraining is what its budget is held against. */
export function costsOf(
  { work, clock, prices }: Pick<Foundation, "work" | "clock" | "prices">,
  charters: ControllerDeps["charters"],
): RunCosts {
  const deps = { work, clock, charters, prices };
  return {
    ofRun: async (call, { useCaseId, runId, perMonth }) => {
      const now = clock.now();
      const { organisationId } = call.actor;
      const worked = await work.read(call, (sql) => timeWorkedOn(sql, { organisationId, runId }, now));
      const price = worked && (await priceOf(deps, call, useCaseId, now, perMonth).catch(noPrice));
      if (!price) return undefined;
      const { threads: cores } = trainerLimits;
      return {
        amount: formatMoney(costOfWork(price, cores, worked.micros)),
        coreHour: formatMoney(price),
        cores,
        workedMicros: worked.micros,
      };
    },
  };
}

async function priceOf(
  deps: SpendingDeps,
  call: CallContext,
  useCaseId: string,
  now: EpochMicros,
  perMonth: string | undefined,
): Promise<Money> {
  if (perMonth !== undefined) return coreHour(deps, call, useCaseId, now, parseMonthly(perMonth).currency);
  const charter = await deps.charters.inForce(call, useCaseId);
  const ceiling = charter && termsOf(charter).costCeilingPerMonth.currency;
  return coreHour(deps, call, useCaseId, now, planCurrency(deps.prices, ceiling ?? "USD"));
}

function noPrice(error: unknown): undefined {
  if (!isPortolanError(error) || error.code !== "planner.price_missing") throw error;
}

interface SpendingDeps extends Pick<Foundation, "work" | "clock" | "prices"> {
  readonly charters: ControllerDeps["charters"];
}

async function coreHour(
  { charters, prices }: SpendingDeps,
  call: CallContext,
  useCaseId: string,
  now: EpochMicros,
  currency: string,
): Promise<Money> {
  const charter = await charters.inForce(call, useCaseId);
  // Without a charter nothing says where: control's own machine.
  const placement = charter ? choosePlacement(charter, "training").chosen : "local";
  if (placement === undefined) throw unpriced("the charter lets training be done nowhere");
  return coreHourPrice(prices, { placement, currency, now });
}

async function spending(
  deps: SpendingDeps,
  call: CallContext,
  useCaseId: string,
  { perMonth, since }: NonNullable<Budget["money"]>,
) {
  const now = deps.clock.now();
  const budget = parseMonthly(perMonth);
  const price = await coreHour(deps, call, useCaseId, now, budget.currency);
  const { organisationId } = call.actor;
  const { micros, lastRunMicros } = await deps.work.read(call, (sql) =>
    timeWorked(sql, { organisationId, useCaseId }, { since, now }),
  );
  const cost = (worked: number): Money => costOfWork(price, trainerLimits.threads, worked);
  const found = {
    spent: cost(micros),
    ...(lastRunMicros === undefined ? {} : { nextRun: cost(lastRunMicros) }),
  };
  return { because: beyondBudget(budget, found), evidence: spendingEvidence(budget, found) };
}

function unpriced(detail: string): PortolanError {
  return new PortolanError("planner.price_missing", { detail });
}

/** A budget that nothing can be held against lets nothing start. */
function unpriceable(error: unknown): {
  readonly because: string;
  readonly evidence: Record<string, string>;
} {
  if (!isPortolanError(error) || error.code !== "planner.price_missing") throw error;
  return { because: `what training costs cannot be told: ${error.detail ?? error.code}`, evidence: {} };
}

function hours(ms: number): string {
  return String(Number((ms / 3_600_000).toPrecision(3)));
}
