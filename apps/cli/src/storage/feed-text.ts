import { type Arrangement, arrange, arrangements, type TierName } from "@portolan/capacity";
import { formatMoney, type Money } from "@portolan/kernel";
import type { Quantity } from "@portolan/planner/contract";
import { toCents } from "@portolan/planner/policy";
import { priceLines } from "../ownership/card-prices.ts";
import type { AskedFeed } from "./feed-question.ts";

/** An arrangement in its three cases: chosen at expected figures, judged at all. */
export type Cases = Readonly<Record<keyof Quantity, Arrangement>>;

export interface FeedFound {
  readonly plan?: Cases;
  /** From each tier, the cheapest first. */
  readonly cheapest: readonly Cases[];
}

export function feedFound({ questions, plan }: AskedFeed): FeedFound {
  const cases = (source: TierName, cached: Quantity): Cases => ({
    low: arrange(questions.low, source, cached.low),
    expected: arrange(questions.expected, source, cached.expected),
    high: arrange(questions.high, source, cached.high),
  });
  return {
    ...(plan ? { plan: cases(plan.source, plan.cached) } : {}),
    cheapest: arrangements(questions.expected).map(({ source, cached }) =>
      cases(source, { low: cached, expected: cached, high: cached }),
    ),
  };
}

export function feedJson({ questions, nodes, drives, prices }: AskedFeed, { plan, cheapest }: FeedFound) {
  const { gpuHour, tiers, ...work } = questions.expected;
  const tier = (name: TierName) => ({ ...tiers[name], gbMonth: formatMoney(tiers[name].gbMonth) });
  return {
    question: {
      ...work,
      gpuHour: formatMoney(gpuHour),
      tiers: { nvme: tier("nvme"), hdd: tier("hdd"), object: tier("object") },
      nodes,
      drives,
      priceRecords: prices.records,
      priceWarnings: prices.warnings,
    },
    ...(plan ? { plan: { starves: starves(plan.expected), ...casesJson(plan) } } : {}),
    arrangements: cheapest.map((one) => ({ starves: starves(one.expected), ...casesJson(one) })),
  };
}

function casesJson({ low, expected, high }: Cases) {
  return { low: arrangementJson(low), expected: arrangementJson(expected), high: arrangementJson(high) };
}

function arrangementJson({ storage, gpus, idle, total, ...rest }: Arrangement) {
  return {
    ...rest,
    storage: formatMoney(storage),
    gpus: formatMoney(gpus),
    idle: formatMoney(idle),
    total: formatMoney(total),
  };
}

/** Epoch after epoch; where only the first one waits, that is said and no more. */
function starves({ feed }: Arrangement): boolean {
  return feed.waitsFor !== "nothing";
}

export function feedText(asked: AskedFeed, found: FeedFound): string {
  const { questions, prices, nodes, drives } = asked;
  const { gpus, bytesPerSecondPerGpu, datasetBytes, epochs, runsPerMonth } = questions.expected;
  const need = (which: keyof Quantity) =>
    figure((questions[which].bytesPerSecondPerGpu * questions[which].gpus) / 1e9);
  return [
    `${counted(gpus, "GPU")} together take in ${need("expected")} GB/s (${need("low")} to ${need("high")}), ${figure(bytesPerSecondPerGpu / 1e6)} MB/s each, for ${counted(epochs, "epoch")} of ${figure(datasetBytes / 1e9)} GB, ${counted(runsPerMonth, "run")} a month.`,
    `${counted(nodes, "machine")} and ${counted(drives, "hard disk")} give, with reads of ${figure(questions.expected.readBytes / 1e3)} kB:`,
    ...(["nvme", "hdd", "object"] as const).map((name) => tierText(name, asked)),
    ...priceLines(prices),
    "",
    ...(found.plan ? [...planText(found.plan, asked), ""] : []),
    `${"cheapest from each, a month".padEnd(34)}${["GPUs idle", "storage", "GPUs", "of it idle", "together"].map((word) => word.padStart(20)).join("")}`,
    ...found.cheapest.map(arrangementLine),
  ].join("\n");
}

function tierText(name: TierName, { questions }: AskedFeed): string {
  const gives = (which: keyof Quantity): string => {
    const { tiers, readBytes } = questions[which];
    const { bytesPerSecond, readsPerSecond } = tiers[name];
    return figure(Math.min(bytesPerSecond, readsPerSecond * readBytes) / 1e9);
  };
  const { tiers, readBytes } = questions.expected;
  const byReads = tiers[name].readsPerSecond * readBytes < tiers[name].bytesPerSecond;
  return `  ${words[name].padEnd(14)}${gives("expected")} GB/s (${gives("high")} to ${gives("low")})${byReads ? ", by how many reads begin in a second" : ""}`;
}

const words: Readonly<Record<TierName, string>> = { nvme: "NVMe", hdd: "hard disks", object: "object store" };

function planText(plan: Cases, { questions }: AskedFeed): string[] {
  const { source, cached, feed } = plan.expected;
  const where = `${words[source]}${cached > 0 ? `, ${percent(cached)} answered by NVMe` : ""}`;
  const range = (pick: (of: Arrangement) => string) =>
    `${pick(plan.expected)} (${pick(plan.low)} to ${pick(plan.high)})`;
  const cost = `they wait ${range((of) => percent(of.feed.idleShare))} of their time, ${range((of) => cents(of.idle))} a month`;
  if (!starves(plan.expected))
    return [
      `The plan, ${where}: feeds its GPUs; ${cost}${feed.idleShare > 0 ? ", all of it in the first epoch" : ""}.`,
      ...(starves(plan.high) ? ["In the bad case it starves them."] : []),
    ];
  // With all of it there: whether a cache of NVMe can feed them at all.
  const much = source === "nvme" ? undefined : arrange(questions.expected, source, 1).feed.hitThatFeeds;
  const held = (share: number): string => `${figure((share * questions.expected.datasetBytes) / 1e9)} GB`;
  return [
    `The plan, ${where}: STARVES its GPUs; ${cost}. An epoch takes ${figure(feed.laterEpochSeconds)} s in the place of ${figure(feed.fedEpochSeconds)} s, waiting for the ${feed.waitsFor === "cache" ? "cache" : words[source]}.`,
    much === undefined
      ? "No cache of the NVMe that is there feeds them: more machines, faster storage, or larger reads would."
      : `With ${percent(much)} answered by NVMe (${held(much)} of it) nothing waits after the first epoch.`,
  ];
}

function arrangementLine({ low, expected, high }: Cases): string {
  const { source, cached, storage, gpus, idle, total } = expected;
  const what = `${words[source]}${cached > 0 ? `, ${percent(cached)} on NVMe too` : ""}`;
  const waits = [low, expected, high].map(({ feed }) => (100 * feed.idleShare).toFixed(1)).join(" / ");
  return [what.padEnd(34), `${waits} %`, cents(storage), cents(gpus), cents(idle), cents(total)]
    .map((cell, index) => (index === 0 ? cell : cell.padStart(20)))
    .join("");
}

function cents(amount: Money): string {
  return toCents(formatMoney(amount));
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function counted(count: number, noun: string): string {
  return `${figure(count)} ${noun}${count === 1 ? "" : "s"}`;
}

function figure(value: number): string {
  return String(Number(value.toPrecision(4)));
}
