import { money, parseInstant } from "@portolan/kernel";
import type { PriceFile, PriceRecord } from "../price-book.ts";

/** What is wrong in a price file, where, and what to write instead. */
export interface PriceFault {
  readonly pointer: string;
  readonly detail: string;
  readonly mend: string;
}

/** What the schema found, in words. Pure. */
export function shapeFaults(
  errors: Iterable<{ readonly instancePath: string; readonly message: string }>,
): PriceFault[] {
  return [...errors].map((error) => ({
    pointer: error.instancePath,
    detail: `${error.instancePath || "the file"} ${error.message}`,
    mend: mendOf(error.instancePath),
  }));
}

/** What a schema cannot say of a file whose shape is right. Pure. */
export function meaningFaults(file: PriceFile): PriceFault[] {
  const seen = new Set<string>();
  return [
    ...(file.records ?? []).flatMap((record, index) => {
      const faults = recordFaults(record, `/records/${index}`);
      if (seen.has(record.id)) {
        faults.push({
          pointer: `/records/${index}/id`,
          detail: `${record.id} appears twice`,
          mend: "Give each record an id of its own; to replace a shipped one, name its id once.",
        });
      }
      seen.add(record.id);
      return faults;
    }),
    ...(file.exchange ?? []).flatMap((rate, index) => [
      ...dayFaults(rate.asOf, `/exchange/${index}/asOf`),
      ...(/^0+(\.0+)?$/.test(rate.rate)
        ? [
            {
              pointer: `/exchange/${index}/rate`,
              detail: "a rate of 0 makes everything free",
              mend: "Write how much of `to` one unit of `from` is.",
            },
          ]
        : []),
    ]),
    ...(file.services ?? []).flatMap((service, index) => dayFaults(service.asOf, `/services/${index}/asOf`)),
  ];
}

function recordFaults(record: PriceRecord, pointer: string): PriceFault[] {
  const nanos = (amount: string) => money(amount, record.currency).nanos;
  const price = nanos(record.price);
  const faults = dayFaults(record.asOf, `${pointer}/asOf`);
  if (nanos(record.low ?? record.price) > price || price > nanos(record.high ?? record.price)) {
    faults.push({
      pointer: `${pointer}/price`,
      detail: `${record.id}: low, price and high are not in order`,
      mend: "low is at most price, and high at least price.",
    });
  }
  if (record.resource === "gpu_hour" && record.product === undefined) {
    faults.push({
      pointer: `${pointer}/resource`,
      detail: `${record.id} does not say of which GPU it is`,
      mend: "Add product: a model such as H100, or any.",
    });
  }
  if (record.confidence === "assumed" && record.why === undefined) {
    faults.push({
      pointer: `${pointer}/confidence`,
      detail: `${record.id} is assumed and does not say why`,
      mend: "Add why, with what the price rests on, or name a source and its confidence.",
    });
  }
  if (record.conflictsWith?.includes(record.id)) {
    faults.push({
      pointer: `${pointer}/conflictsWith`,
      detail: `${record.id} contradicts itself`,
      mend: "Name the other record.",
    });
  }
  return faults;
}

function dayFaults(day: string, pointer: string): PriceFault[] {
  try {
    parseInstant(`${day}T00:00:00Z`);
    return [];
  } catch {
    return [{ pointer, detail: `${day} is no day of the calendar`, mend: "Write it as 2026-05-01." }];
  }
}

const mends: Readonly<Record<string, string>> = {
  price: 'Write the amount as text, with at most nine decimals: "3.67".',
  low: 'Write the amount as text, with at most nine decimals: "3.67".',
  high: 'Write the amount as text, with at most nine decimals: "3.67".',
  rate: 'Write the rate as text: "0.92".',
  currency: "Write three capital letters: USD, EUR.",
  asOf: "Write the day as 2026-05-01.",
  validFor: "Write days: 365d.",
  availability: "Write a share of a month: 99.99%.",
  id: "Small letters, digits and dashes: our-h100.",
};

function mendOf(pointer: string): string {
  const name = pointer.slice(pointer.lastIndexOf("/") + 1);
  return (
    mends[name] ??
    "Each record needs id, resource, placements, price, currency, region, provider, asOf, validFor, source and confidence; `portolan price list --json` shows some."
  );
}
