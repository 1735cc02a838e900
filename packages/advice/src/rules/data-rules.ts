import type { BatchFacts, DuplicateData, LogFacts, UnboundedData } from "../facts.ts";
import { bytesStored, priced, shareOf } from "../savings.ts";
import { ruleOf } from "./rule.ts";
import { environmentFlag, mebibytes, saving } from "./texts.ts";

/** Less than this is not worth a person's minute. */
const leastBytes = 10 * 2 ** 20;
const leastCpuMicros = 600e6;
/** Kept where nothing asks for longer. */
const defaultRetentionDays = 365;
/** A record beyond it carries more than features and an answer. */
const largeRecordBytes = 4096;

/** What a core costs at night beside the day: low, expected and high share that is saved, where the price depends on the hour. */
const offPeakSaving = { low: 0, expected: 0.3, high: 0.6 } as const;

export const offPeakWindow = ruleOf<BatchFacts>({
  kind: "off_peak_window",
  subjectKind: "scoring",
  looksAt: ({ batches }) => batches,
  nameOf: ({ target }) => target,
  costOf: ({ cpuMicrosInPeak }, { cpuCoreHour }) => priced(cpuCoreHour, cpuMicrosInPeak / 3.6e9),
  find: (batch, { prices }) => {
    const { cpuMicros, cpuMicrosInPeak, runs, windowed, target, peakHours } = batch;
    if (cpuMicrosInPeak < leastCpuMicros || windowed >= runs || cpuMicrosInPeak < cpuMicros / 4)
      return undefined;
    const cost = priced(prices.cpuCoreHour, cpuMicrosInPeak / 3.6e9);
    const saves = cost && {
      low: shareOf(cost, offPeakSaving.low)?.low ?? cost.low,
      expected: shareOf(cost, offPeakSaving.expected)?.expected ?? cost.expected,
      high: shareOf(cost, offPeakSaving.high)?.high ?? cost.high,
    };
    return {
      what: `Batches of ${target} compute in the hours in which endpoints are asked most.`,
      evidence: [
        {
          what: "runs in thirty days",
          value: `${runs}, ${windowed} of them bound to hours`,
          from: "scorings",
        },
        {
          what: "CPU time, and in the busiest hours",
          value: `${minutes(cpuMicros)}, ${minutes(cpuMicrosInPeak)}`,
          from: "measured by chunk",
        },
        { what: "busiest hours (UTC)", value: peakHours.join(", "), from: "requests of thirty days by hour" },
        {
          what: "share of the price that is saved",
          value: `${offPeakSaving.low} to ${offPeakSaving.high}, expected ${offPeakSaving.expected}`,
          from: "assumed; nothing where machines are paid for all day",
        },
      ],
      ...saving(saves, "price of a core"),
      command: `portolan score ${target} ${orderOf(batch)} --window ${quietWindow(peakHours)} --detach${environmentFlag(batch.environment)}`,
      changes:
        "It scores as the newest run did, and waits for these hours; have whatever starts it do the same. Live requests have the processors in the day.",
    };
  },
});

export const duplicateData = ruleOf<DuplicateData>({
  kind: "duplicate_data",
  subjectKind: "data",
  looksAt: ({ duplicates }) => duplicates,
  nameOf: ({ copies }) => namesOf(copies),
  costOf: ({ copies }, { storageGbMonth }) =>
    bytesStored(
      storageGbMonth,
      copies.reduce((total, { bytes }) => total + bytes, 0),
    ),
  find: ({ copies, sourceDigest }, { prices }) => {
    const [kept, ...others] = copies;
    const twice = others.reduce((total, { bytes }) => total + bytes, 0);
    if (!kept || twice < leastBytes) return undefined;
    return {
      what: `The same source is kept ${copies.length} times, under ${namesOf(copies)}.`,
      evidence: [
        ...copies.map(({ id, contract, bytes }) => ({
          what: `${contract}, ${id}`,
          value: mebibytes(bytes),
          from: "its manifest",
        })),
        { what: "digest of the source", value: sourceDigest, from: "manifests of all of them" },
      ],
      ...saving(bytesStored(prices.storageGbMonth, twice), "price of storage"),
      command: `portolan data expire ${others.flatMap(({ id, also }) => [id, ...also]).join(" ")} --reason "the same source as ${kept.id}"`,
      changes: `The rows of the copies go; what was made of them stays. Look first who reads them (portolan lineage ${others[0]?.id ?? kept.id}), and let them read ${kept.contract}.`,
    };
  },
});

export const unboundedRetention = ruleOf<UnboundedData>({
  kind: "unbounded_retention",
  subjectKind: "data",
  looksAt: ({ unbounded }) => unbounded,
  nameOf: ({ contract }) => contract,
  costOf: ({ bytes }, { storageGbMonth }) => bytesStored(storageGbMonth, bytes),
  find: ({ contract, snapshots, bytes, days }, { prices }) => {
    if (bytes < leastBytes) return undefined;
    const older = days > defaultRetentionDays ? 1 - defaultRetentionDays / days : 0;
    const monthly = days > 0 ? (bytes / days) * 30 : 0;
    return {
      what: `Nothing ever removes data of ${contract}.`,
      evidence: [
        { what: "snapshots", value: `${snapshots}, ${mebibytes(bytes)}`, from: "manifests" },
        {
          what: "growth in a month",
          value: days > 0 ? mebibytes(monthly) : "one day of data only",
          from: `snapshots of ${days} days`,
        },
        { what: "retention", value: "none", from: "the newest version of the contract" },
      ],
      ...(older > 0
        ? saving(bytesStored(prices.storageGbMonth, bytes * older), "price of storage")
        : {
            noSaving: `nothing is older than ${defaultRetentionDays} days yet: it stops the growth after that`,
          }),
      command: "portolan apply FOLDER",
      changes: `First add to the slaProperties of ${contract}: {property: retention, value: ${defaultRetentionDays}, unit: d}, as a new version; \`portolan data retention\` shows afterwards what would go. Legal holds stay.`,
    };
  },
});

export const oversizedLog = ruleOf<LogFacts>({
  kind: "oversized_log",
  subjectKind: "log",
  looksAt: ({ logs }) => logs,
  nameOf: ({ useCase }) => useCase,
  costOf: ({ bytes }, { storageGbMonth }) => bytesStored(storageGbMonth, bytes),
  find: (log, { prices }) => {
    const { bytes, records, days, retentionDays, requiredDays, useCase } = log;
    if (bytes < leastBytes || records === 0 || days < 1) return undefined;
    const perRecord = bytes / records;
    const asked = Math.max(requiredDays ?? 0, defaultRetentionDays);
    const keepsLonger = retentionDays > asked;
    if (!keepsLonger && perRecord < largeRecordBytes) return undefined;
    const full = (bytes / days) * retentionDays;
    const saves = keepsLonger
      ? bytesStored(prices.storageGbMonth, full * (1 - asked / retentionDays))
      : undefined;
    return {
      what: keepsLonger
        ? `Predictions of ${useCase} are kept for ${retentionDays} days, where ${asked} are asked for.`
        : `A record of ${useCase} takes ${Math.round(perRecord)} bytes.`,
      evidence: [
        {
          what: "archived",
          value: `${mebibytes(bytes)}, ${records} records`,
          from: "archives of the prediction log",
        },
        { what: "when the log has its full length", value: mebibytes(full), from: `growth of ${days} days` },
        {
          what: "kept at least",
          value: requiredDays === undefined ? "no regulation asks" : `${requiredDays} days`,
          from: "the charter's regulations",
        },
      ],
      ...(keepsLonger
        ? saving(saves, "price of storage")
        : { noSaving: "what could go from a record is a question of the request's fields" }),
      command: "portolan apply FOLDER",
      changes: keepsLonger
        ? `First set retention.predictions of the charter to ${asked}d, and have it signed; payloads older than that go, legal holds stay.`
        : "Send fewer or smaller fields: what the model does not take is logged all the same.",
    };
  },
});

function namesOf(copies: DuplicateData["copies"]): string {
  return [...new Set(copies.map(({ contract }) => contract))].toSorted().join(" and ");
}

function orderOf({ last: { dataset, out, purpose, columns, keys } }: BatchFacts): string {
  return [
    `--dataset ${dataset} --out ${out}`,
    ...(purpose === undefined ? [] : [`--purpose ${quoted(purpose)}`]),
    ...(columns === undefined ? [] : [`--columns ${quoted(columns.join(","))}`]),
    ...(keys === undefined ? [] : [`--keys ${quoted(keys.join(","))}`]),
  ].join(" ");
}

/** For a shell, where a column's name has more in it than letters. */
function quoted(text: string): string {
  return /^[\w,.@-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function minutes(micros: number): string {
  return `${(micros / 60e6).toFixed(1)} min`;
}

/** Eight hours that meet as few of the busiest ones as can be; the earliest of several, from the evening on. */
function quietWindow(peakHours: readonly number[]): string {
  const starts = Array.from({ length: 24 }, (_, i) => (i + 20) % 24);
  const meets = (start: number) =>
    Array.from({ length: 8 }, (_, i) => (start + i) % 24).filter((hour) => peakHours.includes(hour)).length;
  const start = starts.reduce((best, hour) => (meets(hour) < meets(best) ? hour : best));
  const clock = (hour: number) => `${String(hour % 24).padStart(2, "0")}:00`;
  return `${clock(start)}-${clock(start + 8)}`;
}
