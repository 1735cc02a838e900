import { migModels, standing } from "@portolan/capacity/policy";
import type { CsvRow } from "@portolan/csv-source";
import { allocateWhole, asEpochMicros, formatInstant, microsPerSecond, parseInstant } from "@portolan/kernel";
import { csvRows } from "../csv-rows.ts";
import { fileNotValid } from "../file-not-valid.ts";
import { type Tenant, tenantKey, type UsageLine } from "../lines.ts";
import { partsPerUnit } from "../quantity.ts";

const mend = "docs/statements.md shows cards and leases.";

/** Parts of a card in which shares are counted: sevenths, eighths, ninths and hundredths are whole. */
const partsPerCard = 25_200;
const secondsPerHour = 3600n;

/** A physical card that is paid for. */
export interface Card {
  readonly name: string;
  /** As `portolan pool layouts` names it; needed where it is cut. */
  readonly model: string;
  /** Seconds since 1970. */
  readonly start: number;
  readonly end: number;
}

type Share =
  | { readonly kind: "slice"; readonly profile: string }
  | { readonly kind: "part"; readonly parts: number }
  /** Takes turns: all that take turns at a moment have equal parts of what others leave. */
  | { readonly kind: "turns" };

/** What held a part of a card, and for whom. */
export interface Lease {
  readonly tenant: Tenant;
  readonly activity: string;
  readonly card: string;
  readonly share: Share;
  readonly start: number;
  readonly end: number;
  readonly line: number;
}

export interface CardUsage {
  /** In hours of cards; used and idle sum to the capacity exactly. */
  readonly usage: readonly UsageLine[];
  readonly capacity: bigint;
  readonly idle: bigint;
  /** Of what is idle: slices that no instance can use, whatever stands beside them. */
  readonly stranded: bigint;
}

/** @param text CSV: `card,model,start,end` @throws PortolanError `metering.file_not_valid` */
export function readCards(text: string, file: string): readonly Card[] {
  const cards = csvRows({ text, file, columns: ["card", "start", "end"], mend }, (row) => {
    const model = row.text("model");
    if (model !== "" && !migModels.some(({ name }) => name === model))
      row.fault(
        `model: ${JSON.stringify(model.slice(0, 40))} is none of ${migModels.map(({ name }) => name).join(", ")}`,
      );
    return { name: row.named("card"), model, ...spanOf(row) };
  });
  const faults = cards
    .filter((card, at) =>
      cards
        .slice(0, at)
        .some(({ name, start, end }) => name === card.name && start < card.end && card.start < end),
    )
    .map(({ name }) => ({ detail: `card ${name} is there twice at a time`, at: { file } }));
  if (faults.length > 0) throw notValid(file, faults);
  return cards;
}

/**
 * @param text CSV: `business_unit,team,use_case,model,environment,activity,card,share,start,end`; a share is a MIG profile, `25%`, `1/4`, `whole` or `turns`
 * @throws PortolanError `metering.file_not_valid`
 */
export function readLeases(text: string, file: string): readonly Lease[] {
  let line = 1;
  return csvRows(
    { text, file, columns: ["business_unit", "team", "card", "share", "start", "end"], mend },
    (row) => {
      line += 1;
      return {
        tenant: {
          businessUnit: row.named("business_unit"),
          team: row.text("team"),
          useCase: row.text("use_case"),
          model: row.text("model"),
          environment: row.text("environment"),
        },
        activity: row.text("activity"),
        card: row.named("card"),
        share: shareOf(row),
        ...spanOf(row),
        line,
      };
    },
  );
}

function shareOf(row: CsvRow): Share {
  const text = row.named("share");
  if (text === "whole") return { kind: "part", parts: partsPerCard };
  if (text === "turns") return { kind: "turns" };
  if (/^\d+g\./.test(text)) return { kind: "slice", profile: text };
  const [, percent] = /^(\d{1,3})%$/.exec(text) ?? [];
  const [, above, below] =
    percent === undefined ? (/^(\d{1,4})\/(\d{1,4})$/.exec(text) ?? []) : [text, percent, "100"];
  const parts = (Number(above) * partsPerCard) / Number(below);
  if (!Number.isInteger(parts) || parts <= 0 || parts > partsPerCard)
    row.fault(`share: ${JSON.stringify(text.slice(0, 40))} is no MIG profile, nor 25%, 1/4, whole or turns`);
  return { kind: "part", parts };
}

/** Whole seconds, in UTC or with the offset from it: a wall clock alone says two moments on one night of the year. */
function spanOf(row: CsvRow): { readonly start: number; readonly end: number } {
  const at = (column: string): number => {
    const text = row.named(column);
    try {
      if (/T.*(?:Z|[+-]\d{2}:\d{2})$/.test(text)) return Math.floor(parseInstant(text) / microsPerSecond);
    } catch {
      // Said below.
    }
    row.fault(
      `${column}: ${JSON.stringify(text.slice(0, 40))} is no moment such as 2026-11-01T00:00:00Z or with an offset`,
    );
    return 0;
  };
  const [start, end] = [at("start"), at("end")];
  if (end <= start)
    row.fault("it ends before it starts, or at once: the clock was set back, or both are swapped");
  return { start, end };
}

/**
 * What of cards was used by whom, by the second. Shares of a card never come to more than the card, its slices have to be able to stand on it together, and what is
 * used and what is idle come to what was paid for, exactly. A slice counts by its compute: two of three sevenths strand the seventh.
 *
 * @throws PortolanError `metering.file_not_valid` for a lease of no card, outside its time, twice, or of more than there is
 */
export function cardUsage(
  cards: readonly Card[],
  leases: readonly Lease[],
  file: string,
  resource = "gpu_hours",
): CardUsage {
  requireKnown(cards, leases, file);
  const sums = new Map<string, { readonly tenant: Tenant; readonly activity: string; units: bigint }>();
  let stranded = 0n;
  const byCard = Map.groupBy(leases, ({ card }) => card);
  for (const card of cards) {
    // A card that is paid for in two stretches has the part of a lease that lies in each.
    const own = (byCard.get(card.name) ?? [])
      .filter(({ start, end }) => start < card.end && card.start < end)
      .map((lease) => ({
        ...lease,
        start: Math.max(lease.start, card.start),
        end: Math.min(lease.end, card.end),
      }));
    for (const span of spansOf(own)) {
      const seconds = BigInt(span.end - span.start);
      for (const [lease, units] of unitsOf(card, span, file)) {
        const key = `${tenantKey(lease.tenant)}${lease.activity}`;
        const sum = sums.get(key) ?? { tenant: lease.tenant, activity: lease.activity, units: 0n };
        sums.set(key, sum);
        sum.units += units;
      }
      stranded += strandedOf(card, span.leases) * seconds;
    }
  }
  return inHours(
    cards,
    [...sums].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, sum]) => sum),
    stranded,
    resource,
  );
}

function inHours(
  cards: readonly Card[],
  sums: readonly { readonly tenant: Tenant; readonly activity: string; readonly units: bigint }[],
  stranded: bigint,
  resource: string,
): CardUsage {
  const seconds = cards.reduce((sum, { start, end }) => sum + BigInt(end - start), 0n);
  const capacity = (seconds * partsPerUnit) / secondsPerHour;
  const paid = seconds * BigInt(partsPerCard);
  const used = sums.reduce((sum, { units }) => sum + units, 0n);
  const parts = allocateWhole(capacity, [...sums.map(({ units }) => units), paid - used]);
  return {
    usage: sums.map(({ tenant, activity }, at) => ({
      tenant,
      resource,
      quantity: parts[at] ?? 0n,
      ...(activity === "" ? {} : { activity }),
    })),
    capacity,
    idle: parts.at(-1) ?? 0n,
    stranded: paid === 0n ? 0n : (stranded * capacity) / paid,
  };
}

function requireKnown(cards: readonly Card[], leases: readonly Lease[], file: string): void {
  const seen = new Set<string>();
  const byName = Map.groupBy(cards, ({ name }) => name);
  for (const { tenant, activity, card, share, start, end, line } of leases) {
    const fault = (detail: string) => notValid(file, [{ detail, at: { file, line } }]);
    const of = byName.get(card) ?? [];
    if (of.length === 0) throw fault(`there is no card ${card}`);
    const within = of.reduce(
      (sum, one) => sum + Math.max(0, Math.min(one.end, end) - Math.max(one.start, start)),
      0,
    );
    if (within < end - start) throw fault(`it is outside the time for which ${card} is paid`);
    // Alike to the second and no whole unit of counting of its own: mostly a file that was read twice.
    const key = JSON.stringify([tenantKey(tenant), activity, card, share, start, end]);
    if (share.kind !== "slice" && seen.has(key)) throw fault("the same is there twice");
    seen.add(key);
  }
}

interface Span {
  readonly start: number;
  readonly end: number;
  readonly leases: readonly Lease[];
}

/** Stretches in which the same leases hold. */
function spansOf(leases: readonly Lease[]): Span[] {
  const moments = [...new Set(leases.flatMap(({ start, end }) => [start, end]))].toSorted((a, b) => a - b);
  return moments.slice(0, -1).flatMap((start, at) => {
    const end = moments[at + 1] ?? start;
    const held = leases.filter((lease) => lease.start <= start && lease.end >= end);
    return held.length === 0 ? [] : [{ start, end, leases: held }];
  });
}

/** Parts of a card times seconds, for each lease. */
function unitsOf(card: Card, { start, end, leases }: Span, file: string): [Lease, bigint][] {
  const fault = (detail: string) =>
    notValid(file, [
      {
        detail: `${card.name} at ${formatInstant(asEpochMicros(start * microsPerSecond))}: ${detail}`,
        at: { file, line: leases.at(-1)?.line ?? 1 },
      },
    ]);
  const seconds = BigInt(end - start);
  const fixed = leases.flatMap((lease): [Lease, number][] =>
    lease.share.kind === "turns" ? [] : [[lease, partsOf(card, lease.share, fault)]],
  );
  const slices = leases.filter(({ share }) => share.kind === "slice");
  if (slices.length > 0 && slices.length < leases.length)
    throw fault("a card is cut into instances or shared otherwise, not both");
  if (slices.length > 0 && !canStand(card, slices))
    throw fault("its instances cannot stand on one card together");
  const left = partsPerCard - fixed.reduce((sum, [, parts]) => sum + parts, 0);
  if (left < 0) throw fault(`more than the card is held: ${leases.length} leases`);
  // In the order of their tenants: who has the rest of a division does not depend on the file's.
  const turns = leases
    .filter(({ share }) => share.kind === "turns")
    .toSorted((a, b) => (turnKey(a) < turnKey(b) ? -1 : 1));
  if (turns.length > 0 && left === 0) throw fault("nothing of it is left for those that take turns");
  const even =
    turns.length === 0
      ? []
      : allocateWhole(
          BigInt(left) * seconds,
          turns.map(() => 1n),
        );
  return [
    ...fixed.map(([lease, parts]): [Lease, bigint] => [lease, BigInt(parts) * seconds]),
    ...turns.map((lease, at): [Lease, bigint] => [lease, even[at] ?? 0n]),
  ];
}

function turnKey({ tenant, activity, start, end }: Lease): string {
  return JSON.stringify([tenantKey(tenant), activity, start, end]);
}

function partsOf({ model }: Card, share: Share, fault: (detail: string) => Error): number {
  if (share.kind === "part") return share.parts;
  if (share.kind === "turns") return 0;
  const mig = migModels.find(({ name }) => name === model);
  if (!mig) throw fault("its model is not named, and it is cut");
  const profile = mig.profiles.find(({ name }) => name === share.profile);
  if (!profile) throw fault(`${model} has no profile ${share.profile}`);
  return (profile.computeSlices * partsPerCard) / mig.computeSlices;
}

function countsOn(card: Card, slices: readonly Lease[]) {
  const mig = migModels.find(({ name }) => name === card.model);
  if (!mig) return undefined;
  const counts = mig.profiles.map(
    ({ name }) => slices.filter(({ share }) => share.kind === "slice" && share.profile === name).length,
  );
  return { mig, counts };
}

function canStand(card: Card, slices: readonly Lease[]): boolean {
  const found = countsOn(card, slices);
  return found !== undefined && standing(found.mig, found.counts) !== undefined;
}

/** Compute slices that are free and that no smallest instance could use, in parts of a card. */
function strandedOf(card: Card, leases: readonly Lease[]): bigint {
  const found = leases.some(({ share }) => share.kind === "slice") ? countsOn(card, leases) : undefined;
  if (!found) return 0n;
  const { mig, counts } = found;
  const taken = mig.profiles.reduce(
    (sum, { computeSlices }, at) => sum + computeSlices * (counts[at] ?? 0),
    0,
  );
  const free = mig.computeSlices - taken;
  const smallest = mig.profiles.findIndex(({ computeSlices, hasMedia }) => computeSlices === 1 && !hasMedia);
  let usable = free;
  while (usable > 0 && !standing(mig, counts.with(smallest, (counts[smallest] ?? 0) + usable))) usable -= 1;
  return BigInt(((free - usable) * partsPerCard) / mig.computeSlices);
}

function notValid(file: string, violations: Parameters<typeof fileNotValid>[1]) {
  return fileNotValid(file, violations, mend);
}
