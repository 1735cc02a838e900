import { type EpochMicros, PortolanError, parseInstant } from "@portolan/kernel";
import {
  type Certification,
  findRate,
  type Placement,
  type PriceBook,
  type PricedResource,
  type PriceRecord,
  type PricingModel,
  staleFrom,
} from "../price-book.ts";
import { type ChosenPrice, choosePrice, fits } from "../price-choice.ts";
import { certificationNames, offerOf } from "./provider-needs.ts";

export interface PriceFilter {
  readonly resource?: PricedResource;
  /** A100 finds A100-40GB too, as plans do. */
  readonly product?: string;
  readonly placement?: Placement;
  /** `us` finds us-east-1 and what holds anywhere. */
  readonly region?: string;
  readonly pricing?: PricingModel;
  readonly certification?: Certification;
  readonly isStale?: boolean;
  readonly isConflicting?: boolean;
}

/** A record with what is known of it on a day. */
export interface PriceView extends PriceRecord {
  readonly isStale: boolean;
  readonly staleOn: EpochMicros;
  readonly conflicts: readonly string[];
  readonly offer: ReturnType<typeof offerOf>;
}

/** The records that pass, in the order of resource, product and price. Pure. */
export function searchPrices(book: PriceBook, filter: PriceFilter, now: EpochMicros): PriceView[] {
  return book.records
    .map((record) => viewOf(book, record, now))
    .filter((view) => passes(view, filter))
    .toSorted(
      (a, b) =>
        a.resource.localeCompare(b.resource) ||
        (a.product ?? "").localeCompare(b.product ?? "") ||
        Number(a.price) - Number(b.price) ||
        a.id.localeCompare(b.id),
    );
}

function viewOf(book: PriceBook, record: PriceRecord, now: EpochMicros): PriceView {
  const staleOn = staleFrom(record);
  return {
    ...record,
    isStale: staleOn <= now,
    staleOn,
    conflicts: conflictsOf(book, record),
    offer: offerOf(book, record),
  };
}

/** A conflict has two sides, whichever of them names it. */
export function conflictsOf(book: PriceBook, record: PriceRecord): string[] {
  const named = book.records.filter((other) => other.conflictsWith?.includes(record.id)).map(({ id }) => id);
  return [...new Set([...(record.conflictsWith ?? []), ...named])].toSorted();
}

function passes(view: PriceView, filter: PriceFilter): boolean {
  const { resource, product, placement, region, pricing, certification, isStale, isConflicting } = filter;
  return (
    (resource === undefined || view.resource === resource) &&
    (product === undefined || view.product === product || view.product?.startsWith(`${product}-`) === true) &&
    (placement === undefined || view.placements.includes(placement)) &&
    (region === undefined || isOfRegion(view, region)) &&
    (pricing === undefined || (view.pricing ?? "on_demand") === pricing) &&
    (certification === undefined || view.offer.certifications.includes(certification)) &&
    (isStale === undefined || view.isStale === isStale) &&
    (isConflicting === undefined || view.conflicts.length > 0 === isConflicting)
  );
}

/** `any` holds everywhere; us-east-1 lies in us, and a price of us is taken for us-east-1. `eu-*` is any of eu. */
export function isOfRegion(record: Pick<PriceRecord, "region">, region: string): boolean {
  const wanted = region.replace(/-?\*$/, "");
  const has = record.region;
  return has === "any" || has === wanted || has.startsWith(`${wanted}-`) || wanted.startsWith(`${has}-`);
}

/**
 * The price that a plan would take for a region and a day.
 * @throws PortolanError `planner.price_missing` that says what of the question nothing answers
 */
export function findPrice(
  book: PriceBook,
  question: Parameters<typeof choosePrice>[1] & { readonly region?: string },
): ChosenPrice {
  const { region, ...rest } = question;
  if (region === undefined) return choosePrice(book, rest);
  const records = book.records.filter((record) => isOfRegion(record, region));
  if (!records.some((record) => fits(record, rest))) {
    const elsewhere = book.records.filter((record) => fits(record, rest));
    const regions = [...new Set(elsewhere.map((record) => record.region))].join(", ");
    throw new PortolanError("planner.price_missing", {
      detail: `the price book has no ${rest.resource} for ${rest.placement} in ${region}${regions ? `; it has it for ${regions}` : ""}`,
      mend: "Ask without --region for the others, or add a record with its date and source to a price file of your own.",
    });
  }
  return choosePrice({ ...book, records }, rest);
}

export interface PriceFinding {
  readonly kind: "stale" | "conflict" | "unknown_reference" | "not_yet" | "currency_mix" | "assumed";
  readonly records: readonly string[];
  readonly detail: string;
  readonly mend: string;
}

/** What to look at in a whole book. None of these keeps it from being used. Pure. */
export function reviewPrices(book: PriceBook, now: EpochMicros): PriceFinding[] {
  return [...book.records.flatMap((record) => findingsOf(book, record, now)), ...currencyMixes(book)];
}

function findingsOf(book: PriceBook, record: PriceRecord, now: EpochMicros): PriceFinding[] {
  const { id } = record;
  const known = new Set(book.records.map((other) => other.id));
  const found: PriceFinding[] = [];
  const add = (kind: PriceFinding["kind"], records: readonly string[], detail: string, mend: string) =>
    found.push({ kind, records, detail, mend });
  if (staleFrom(record) <= now) {
    add(
      "stale",
      [id],
      `${id} is of ${record.asOf} and was valid for ${record.validFor}`,
      "Look the price up again and state it with its new date.",
    );
  }
  if (parseInstant(`${record.asOf}T00:00:00Z`) > now) {
    add("not_yet", [id], `${id} is of ${record.asOf}, a day to come`, "Check the date.");
  }
  for (const other of record.conflictsWith ?? []) {
    if (!known.has(other)) {
      add("unknown_reference", [id], `${id} contradicts ${other}, which is not in the book`, "Check the id.");
    } else if (other > id || !conflictsNamed(book, other, id)) {
      add(
        "conflict",
        [id, other],
        `${id} and ${other} contradict each other`,
        "Plans span both; a record of your own, confidence own, replaces both.",
      );
    }
  }
  if (record.service !== undefined && !book.services?.some((service) => service.id === record.service)) {
    add(
      "unknown_reference",
      [id],
      `${id} is sold by ${record.service}, which services do not have`,
      "Add it under services; until then it lacks every certification.",
    );
  }
  if (record.confidence === "assumed")
    add("assumed", [id], `${id} is assumed: ${record.why ?? ""}`, "State what you pay.");
  return found;
}

function conflictsNamed(book: PriceBook, from: string, to: string): boolean {
  return book.records.find(({ id }) => id === from)?.conflictsWith?.includes(to) === true;
}

/** Prices of one resource in two currencies cannot be compared until a rate is stated. */
function currencyMixes(book: PriceBook): PriceFinding[] {
  const byResource = Map.groupBy(book.records, ({ resource }) => resource);
  return [...byResource].flatMap(([resource, records]): PriceFinding[] => {
    const currencies = [...new Set(records.map(({ currency }) => currency))].toSorted();
    const [first = "", ...others] = currencies;
    const without = others.filter((other) => !findRate(book, first, other) && !findRate(book, other, first));
    if (without.length === 0) return [];
    return [
      {
        kind: "currency_mix",
        records: records.filter(({ currency }) => without.includes(currency)).map(({ id }) => id),
        detail: `${resource} is priced in ${currencies.join(" and ")}, and no rate between them is stated`,
        mend: "Add the rate under exchange, with its date and source.",
      },
    ];
  });
}

export function certificationsText(view: Pick<PriceView, "offer">): string {
  return view.offer.certifications.map((name) => certificationNames[name]).join(", ") || "none";
}
