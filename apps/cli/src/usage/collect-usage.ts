import {
  type EpochMicros,
  formatInstant,
  isPortolanError,
  PortolanError,
  parseInstant,
  readAddressRules,
  systemClock,
} from "@portolan/kernel";
import {
  type Collected,
  collectFromOpenCost,
  collectFromPrometheus,
  countedText,
  type MeteringErrorCode,
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

/**
 * Records of hours with gaps replace nothing: a Prometheus that lost what it knew would take away what was counted while it knew. These hours are sent one
 * by one, after all others.
 *
 * @throws PortolanError `metering.usage_differs` once all else is recorded, where of such hours other records are there
 */
export async function recordCollected(
  api: ApiClient,
  { records, gaps }: Collected,
  { source, replace = false }: Pick<CollectOptions, "source" | "replace">,
): Promise<UsageReceipt> {
  const starts = new Set<number>(gaps.map(({ start }) => start));
  const { true: partly = [], false: whole = [] } = Object.groupBy(records, ({ start }) =>
    starts.has(start) ? "true" : "false",
  );
  const receipts = [await sendUsage(api, { source, records: whole, replace }, mostRecords)];
  const kept: EpochMicros[] = [];
  for (const [start, ofHour] of Map.groupBy(partly, (record) => record.start))
    try {
      receipts.push(await sendUsage(api, { source, records: ofHour, replace: false }, mostRecords));
    } catch (error) {
      if (!isPortolanError(error) || error.code !== ("metering.usage_differs" satisfies MeteringErrorCode))
        throw error;
      kept.push(start);
    }
  const [first] = kept;
  if (first !== undefined) throw keptAsTheyWere(first, kept.length);
  return {
    recorded: receipts.reduce((sum, { recorded }) => sum + recorded, 0),
    known: receipts.reduce((sum, { known }) => sum + known, 0),
    changedPeriods: [...new Set(receipts.flatMap(({ changedPeriods }) => changedPeriods))].toSorted(),
  };
}

function keptAsTheyWere(first: EpochMicros, count: number): PortolanError<MeteringErrorCode> {
  return new PortolanError("metering.usage_differs", {
    detail: `Of ${count} hours of which a part was not seen, the first at ${formatInstant(first)}, records are there that say otherwise. They are kept as they were; all others are recorded.`,
    mend: "Nothing where they were counted while all was seen; leave these hours out with --from and --to.",
  });
}
