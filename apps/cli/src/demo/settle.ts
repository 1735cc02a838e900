import { formatMoney, type Money, money, multiplyMoney, systemClock } from "@portolan/kernel";
import { periodOf } from "@portolan/metering";
import type { UsageReport } from "@portolan/metering/contract";
import type { PlanDocument } from "@portolan/planner/contract";
import { toCents } from "@portolan/planner/policy";
import { planText } from "../statement/statement-words.ts";
import { writeMonthStatement } from "./month-statement.ts";
import { check, until } from "./narrator.ts";
import { count, type World } from "./world.ts";

const microsPerHour = 3_600_000_000n;
const secondsPerMonth = 730 * 3600;

/** The plan of the beginning beside what was metered since: the month's statement of the use case. */
export async function settleStep(world: World): Promise<string[]> {
  const { as } = world.cast;
  const { plan } = await as.ada.json<{ plan: PlanDocument }>({ path: `/v1/plans/${world.planId ?? ""}` });
  const served = world.summary.served ?? 0;
  let used = { requests: 0, cpuMicros: 0n };
  await until(async () => {
    used = await usageOf(world);
    return used.requests >= served;
  }, "not all predictions of the replay were metered");
  const { requests, cpuMicros } = used;
  check(cpuMicros > 0n, "no processor time of models was metered");
  const core = coreHour(plan);
  const cost = multiplyMoney(core, cpuMicros, microsPerHour);
  const perThousand = multiplyMoney(cost, 1000n, BigInt(requests));
  const load = assumed(plan, "average load");
  const inMonth = BigInt(Math.round(load * secondsPerMonth));
  const atPlannedLoad = multiplyMoney(cost, inMonth, BigInt(requests));
  const planned = servingOf(plan);
  const month = periodOf(systemClock.now());
  const { document, page, ours, idle, total } = await writeMonthStatement({
    folder: world.context.home,
    month,
    usage: await usageIn(world, month, "environment"),
    core,
    plan,
  });
  world.summary.statement = {
    requests,
    cost: formatMoney(cost),
    perThousand: formatMoney(perThousand),
    plannedServing: planned,
    total,
    ours,
    idle,
    page,
  };
  return [
    `metered: ${count(requests)} predictions, ${(Number(cpuMicros) / 1e6).toFixed(1)} s of models' processor time; ${formatMoney(cost)} at the plan's ${formatMoney(core)} a core hour`,
    `a model's run takes ${(Number(cpuMicros) / requests / 1000).toFixed(2)} ms; planned for all of a prediction: ${figures(plan, "CPU time of a prediction")} ms`,
    `1,000 predictions: ${formatMoney(perThousand)} of models' time`,
    `at the planned ${load} a second: ${toCents(formatMoney(atPlannedLoad))} a month of models' time, beside ${toCents(planned)} planned for cores that stand by`,
    `statement of ${month}: this machine's cores come to ${total}; flight-delays, training included, ${ours}; nobody used ${idle}; the lines sum to the bill exactly`,
    ...(document.plans ?? []).map(planText),
    `as a page: ${page}`,
  ];
}

/** Of the use case in this month (UTC), and in the one in which the replay began, over all environments and models. */
async function usageOf(world: World): Promise<{ requests: number; cpuMicros: bigint }> {
  const now = systemClock.now();
  const months = new Set([world.replayedFrom ?? now, now].map(periodOf));
  const lines: UsageReport["lines"] = [];
  for (const period of months) {
    lines.push(...(await usageIn(world, period, "model")));
  }
  const sum = (resource: string, isCounted: (model: string) => boolean): bigint =>
    lines
      .filter(
        ({ names: [, , useCase, model = ""], ...line }) =>
          line.resource === resource && useCase === "flight-delays" && isCounted(model),
      )
      .reduce((total, { quantity }) => total + BigInt(quantity), 0n);
  // What trainers took is of no model yet.
  const cpuMicros = sum("cpu_hours", (model) => model !== "");
  return { requests: Number(sum("requests", () => true)), cpuMicros };
}

async function usageIn(
  { cast }: World,
  period: string,
  level: "model" | "environment",
): Promise<UsageReport["lines"]> {
  const query = new URLSearchParams({ period, level });
  return (await cast.as.otto.json<UsageReport>({ path: `/v1/usage?${query.toString()}` })).lines;
}

function coreHour(plan: PlanDocument): Money {
  const line = plan.production?.lines.find(({ unit }) => unit === "core hours");
  const [amount = "", currency = ""] = line?.unitPrice?.expected.split(" ") ?? [];
  return money(amount, currency);
}

function servingOf(plan: PlanDocument): string {
  const found = plan.production?.lines.find(
    ({ category, unit }) => category === "inference" && unit === "core hours",
  );
  check(found !== undefined, "the plan has no line for serving");
  return found?.cost.expected ?? "";
}

function assumptionOf(plan: PlanDocument, name: string): PlanDocument["assumptions"][number] | undefined {
  return plan.assumptions.find((one) => one.name === name);
}

function assumed(plan: PlanDocument, name: string): number {
  return assumptionOf(plan, name)?.value.expected ?? 0;
}

function figures(plan: PlanDocument, name: string): string {
  const value = assumptionOf(plan, name)?.value;
  return value ? `${value.low} / ${value.expected} / ${value.high}` : "nothing";
}
