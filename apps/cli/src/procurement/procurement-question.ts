import {
  curveOfPercentiles,
  type FixedWay,
  grownCurve,
  type LoadCurve,
  mostUnits,
  type ProcurementQuestion,
  readLoadCurve,
} from "@portolan/capacity";
import { isPortolanError, type Money, multiplyMoney } from "@portolan/kernel";
import type { Cost, Quantity } from "@portolan/planner/contract";
import { paidPerHourOfWork } from "@portolan/planner/policy";
import type { CliContext } from "../context.ts";
import { bookOf, interruptionsOf, type PriceNotes, pricing } from "../ownership/card-prices.ts";
import { costOf, numberIn, quantityOf, wholeIn } from "../ranges.ts";
import { badUsage, readInput } from "../read-input.ts";

export interface ProcurementOptions {
  readonly load?: string;
  readonly percentiles?: string;
  readonly interruptible: string;
  readonly horizon: string;
  readonly growth: string;
  readonly serverCards: string;
  readonly without?: string;
  readonly gpu: string;
  readonly currency: string;
  readonly cardPrice?: string;
  readonly server: string;
  readonly life: string;
  readonly watts: string;
  readonly kwh?: string;
  readonly running: string;
  readonly cloudHour?: string;
  readonly reserved1y?: string;
  readonly reserved3y?: string;
  readonly spotHour?: string;
  readonly interrupted: string;
  readonly prices?: string;
  readonly picture?: string;
  readonly force?: boolean;
}

const ways = ["own", "reserved_1y", "reserved_3y", "spot"] as const;
type WayName = (typeof ways)[number];

/** A way that is left out, and why. */
export interface LeftOut {
  readonly way: WayName;
  readonly why: string;
}

export interface AskedProcurement {
  readonly curve: LoadCurve;
  readonly horizonMonths: number;
  /** Of the load; the curve has it. */
  readonly monthlyGrowth: number;
  readonly questions: Readonly<Record<keyof Cost, ProcurementQuestion>>;
  readonly prices: PriceNotes;
  readonly leftOut: readonly LeftOut[];
}

const hoursPerMonth = 730;

/** The question three times: at low, expected and high prices. */
export async function procurementQuestion(
  context: CliContext,
  options: ProcurementOptions,
): Promise<AskedProcurement> {
  const months = wholeIn("--horizon", options.horizon, 1, 240);
  const monthlyGrowth = numberIn("--growth", options.growth, -50, 100) / 100;
  const ownedTogether = wholeIn("--server-cards", options.serverCards, 1, 72);
  const first = await curveOf(context, options);
  const curve = monthlyGrowth === 0 ? first : grownCurve(first, months, monthlyGrowth);
  const { priced, notes } = pricing(await bookOf(context, options.prices), options.currency);
  const leftOut: LeftOut[] = unwanted(options.without);
  const wanted = <T>(way: WayName, price: () => T): T | undefined => {
    if (leftOut.some((one) => one.way === way)) return undefined;
    try {
      return price();
    } catch (error) {
      if (!isPortolanError(error) || error.code !== "planner.price_missing") throw error;
      leftOut.push({ way, why: error.detail ?? "no price" });
      return undefined;
    }
  };
  const cloud = { resource: "gpu_hour", placement: "cloud", products: [options.gpu] } as const;
  const onDemand = priced("--cloud-hour", options.cloudHour, cloud);
  const yearly = { "1y": options.reserved1y, "3y": options.reserved3y };
  const reserved = (["1y", "3y"] as const).map((term) => {
    const name = `reserved_${term}` as const;
    const hour = wanted(name, () => priced(`--reserved-${term}`, yearly[term], { ...cloud, pricing: name }));
    const termMonths = term === "1y" ? 12 : 36;
    const paidHours = BigInt(Math.ceil(months / termMonths) * termMonths * hoursPerMonth);
    return { name, hour, paidHours };
  });
  const spot = wanted("spot", () => priced("--spot-hour", options.spotHour, { ...cloud, pricing: "spot" }));
  const interruptions = interruptionsOf(options.interrupted);
  const owned = wanted("own", () => ownedOf(options, months, priced));
  const of = (which: keyof Cost): ProcurementQuestion => ({
    curve,
    horizonHours: months * hoursPerMonth,
    ways: [
      ...(owned ? [{ name: "own" as const, ...owned.unit(which) }] : []),
      ...reserved.flatMap(({ name, hour, paidHours }): FixedWay[] =>
        hour
          ? [{ name, fixed: multiplyMoney(hour[which], paidHours), runningHour: nothing(hour[which]) }]
          : [],
      ),
    ],
    ownedTogether,
    ownOnce: owned?.once[which] ?? nothing(onDemand[which]),
    onDemandHour: onDemand[which],
    ...(spot ? { spotHour: timesNumber(spot[which], paidPerHourOfWork(interruptions[which])) } : {}),
  });
  return {
    curve,
    horizonMonths: months,
    monthlyGrowth,
    questions: { low: of("low"), expected: of("expected"), high: of("high") },
    prices: notes(),
    leftOut,
  };
}

async function curveOf(
  context: CliContext,
  { load, percentiles, interruptible }: ProcurementOptions,
): Promise<LoadCurve> {
  const share = numberIn("--interruptible", interruptible, 0, 1);
  if ((load === undefined) === (percentiles === undefined))
    throw badUsage(
      "the load is said once, by --load or by --percentiles",
      "Say --load load.csv, or --percentiles 50:4,90:10,100:16.",
    );
  if (load !== undefined) return readLoadCurve(await readInput(context, load), load, share);
  const stated = (percentiles ?? "").split(",").map((one) => {
    const [percent = "", units = "", ...more] = one.split(":");
    if (more.length > 0)
      throw badUsage(`--percentiles ${JSON.stringify(one.slice(0, 40))} is no PERCENT:CARDS`, "Say 90:10.");
    return {
      percent: numberIn("--percentiles", percent, 0, 100),
      units: numberIn("--percentiles", units, 0, mostUnits),
    };
  });
  return curveOfPercentiles(stated, share);
}

function unwanted(text: string | undefined): LeftOut[] {
  if (text === undefined) return [];
  return text.split(",").map((name) => {
    const way = ways.find((one) => one === name.replaceAll("-", "_"));
    if (way === undefined)
      throw badUsage(
        `--without ${JSON.stringify(name.slice(0, 40))} is no way to have cards`,
        `Name some of ${ways.join(", ")}.`,
      );
    return { way, why: "left out by --without" };
  });
}

type Priced = ReturnType<typeof pricing>["priced"];

function ownedOf(options: ProcurementOptions, months: number, priced: Priced) {
  const placement = "on_prem" as const;
  const card = priced("--card-price", options.cardPrice, {
    resource: "gpu_purchase",
    placement,
    products: [options.gpu],
  });
  const kilowattHour = priced("--kwh", options.kwh, { resource: "power_kwh", placement });
  const server = quantityOf("--server", options.server, 1, 100);
  const watts = quantityOf("--watts", options.watts, 0, 1e5);
  const lives = Math.ceil(months / wholeIn("--life", options.life, 1, 600));
  const monthly = costOf("--running", options.running, options.currency);
  const once = (which: keyof Cost) => multiplyMoney(monthly[which], BigInt(months));
  return {
    unit: (which: keyof Quantity) => ({
      fixed: timesNumber(card[which], server[which] * lives),
      runningHour: timesNumber(kilowattHour[which], watts[which] / 1000),
    }),
    once: { low: once("low"), expected: once("expected"), high: once("high") },
  };
}

/** The factor to millionths, then exact. */
function timesNumber(amount: Money, factor: number): Money {
  return multiplyMoney(amount, BigInt(Math.round(factor * 1e6)), 1_000_000n);
}

function nothing({ currency }: Money): Money {
  return { nanos: 0n, currency };
}
