import { formatInstant, parseInstant, readAddressRules, systemClock } from "@portolan/kernel";
import {
  type Collected,
  collectFromOpenCost,
  collectFromPrometheus,
  countedText,
  type UsageRecord,
} from "@portolan/metering";
import { mostRecords, type UsageReceipt } from "@portolan/metering/contract";
import type { ApiClient } from "../client/api-client.ts";
import { badUsage } from "../read-input.ts";
import { sendUsage } from "./send-usage.ts";

export interface CollectOptions {
  readonly prometheus?: string;
  readonly opencost?: string;
  readonly from: string;
  readonly to: string;
  readonly source: string;
  readonly allow?: string;
  readonly leaveOut?: string;
  readonly replace?: boolean;
  readonly dryRun?: boolean;
}

interface CollectedUsage {
  readonly collected: Collected;
  /** What namespaces used that belong to no team. */
  readonly leftOut: readonly UsageRecord[];
  /** As asked; what was read may end before. */
  readonly to: number;
}

export async function collectUsage(options: CollectOptions): Promise<CollectedUsage> {
  const { prometheus, opencost, from, to, source, allow, leaveOut = "" } = options;
  const url = prometheus ?? opencost;
  if (url === undefined || (prometheus !== undefined && opencost !== undefined))
    throw badUsage(
      "one of --prometheus and --opencost is needed",
      "Name where to read, e.g. --prometheus http://127.0.0.1:9090.",
    );
  const end = parseInstant(to);
  // Whoever sits at this machine may ask it.
  const rules = readAddressRules(allow, true);
  const order = { url, rules, start: parseInstant(from), end, now: systemClock.now(), source };
  const found = await (prometheus === undefined ? collectFromOpenCost(order) : collectFromPrometheus(order));
  const names = new Set(
    leaveOut
      .split(",")
      .map((name) => name.trim())
      .filter(Boolean),
  );
  const isLeftOut = ({ meter }: UsageRecord): boolean =>
    names.has(decodeURIComponent(meter.split("/")[0] ?? ""));
  const { true: leftOut = [], false: records = [] } = Object.groupBy(found.records, (record) =>
    isLeftOut(record) ? "true" : "false",
  );
  return { collected: { ...found, records }, leftOut, to: end };
}

/** What was counted of each resource. Pure. */
export function sumsOf(
  records: readonly UsageRecord[],
): readonly { readonly resource: string; readonly records: number; readonly amount: string }[] {
  return [...Map.groupBy(records, ({ resource }) => resource)].map(([resource, of]) => ({
    resource,
    records: of.length,
    amount: countedText(
      of.reduce((sum, { quantity }) => sum + quantity, 0n),
      resource,
    ),
  }));
}

/** For people, beside what was recorded. Pure. */
export function collectedText({ collected: { gaps, end }, leftOut, to }: CollectedUsage): string[] {
  const used = sumsOf(leftOut).map(({ resource, amount }) => `${amount} ${resource}`);
  const hours = gaps
    .slice(0, 5)
    .map(({ start, minutesSeen }) => `${formatInstant(start)} (${minutesSeen} min)`);
  return [
    ...(used.length === 0 ? [] : [`Left out: ${used.join(", ")}.`]),
    ...(gaps.length === 0
      ? []
      : [
          `Of ${gaps.length} hours not every minute was seen, and what is counted of them is too little: ${hours.join(", ")}${gaps.length > hours.length ? ", …" : ""}.`,
        ]),
    ...(to - end >= 3_600_000_000
      ? [`Read until ${formatInstant(end)}: an hour is read ten minutes after its end.`]
      : []),
  ];
}

/** The same for machines. Pure. */
export function collectedView({ collected: { gaps, end }, leftOut }: CollectedUsage) {
  return {
    until: formatInstant(end),
    gaps: gaps.map(({ start, minutesSeen }) => ({ start: formatInstant(start), minutesSeen })),
    leftOut: Object.fromEntries(sumsOf(leftOut).map(({ resource, amount }) => [resource, amount])),
  };
}

/** Records of hours with gaps replace nothing: a Prometheus that lost what it knew would take away what was counted while it knew. */
export async function recordCollected(
  api: ApiClient,
  { records, gaps }: Collected,
  { source, replace = false }: Pick<CollectOptions, "source" | "replace">,
): Promise<UsageReceipt> {
  const starts = new Set<number>(gaps.map(({ start }) => start));
  const { true: partly = [], false: whole = [] } = Object.groupBy(records, ({ start }) =>
    starts.has(start) ? "true" : "false",
  );
  const first = await sendUsage(api, { source, records: whole, replace }, mostRecords);
  const second = await sendUsage(api, { source, records: partly, replace: false }, mostRecords);
  return {
    recorded: first.recorded + second.recorded,
    known: first.known + second.known,
    changedPeriods: [...new Set([...first.changedPeriods, ...second.changedPeriods])].toSorted(),
  };
}
