import {
  addMicros,
  type Currency,
  type EpochMicros,
  type Money,
  money,
  PortolanError,
  parseDurationMs,
  parseInstant,
  type Violation,
} from "@portolan/kernel";
import { type Static, Type, Value } from "@portolan/typebox";
import { readYaml, type YamlKind } from "@portolan/yaml-source";

export const placements = ["local", "on_prem", "cloud", "edge"] as const;
export type Placement = (typeof placements)[number];

export const pricedResources = [
  "cpu_core_hour",
  "memory_gib_hour",
  "gpu_hour",
  "storage_gb_month",
  "egress_gb",
  "engineer_month",
] as const;
export type PricedResource = (typeof pricedResources)[number];

const Amount = Type.String({ pattern: "^\\d+(\\.\\d{1,9})?$", description: 'Decimal text, e.g. "3.67"' });
const Day = Type.String({ pattern: "^\\d{4}-\\d{2}-\\d{2}$", description: "Day, e.g. 2026-05-01" });
const CurrencyCode = Type.String({ pattern: "^[A-Z]{3}$" });
const closed = { additionalProperties: false } as const;

/** One sourced price. `price` is expected; `low` and `high` bound it where the source says so. */
export const PriceRecord = Type.Object(
  {
    id: Type.String({ pattern: "^[a-z0-9-]{3,80}$" }),
    resource: Type.Enum([...pricedResources]),
    product: Type.Optional(Type.String({ maxLength: 60, description: "GPU model, or any" })),
    placements: Type.Array(Type.Enum([...placements]), { minItems: 1 }),
    price: Amount,
    low: Type.Optional(Amount),
    high: Type.Optional(Amount),
    currency: CurrencyCode,
    region: Type.String({ maxLength: 60 }),
    provider: Type.String({ maxLength: 200 }),
    asOf: Day,
    validFor: Type.String({ pattern: "^\\d+d$", description: "Days after which it is stale, e.g. 365d" }),
    source: Type.String({ minLength: 3, maxLength: 300 }),
    confidence: Type.Enum(["own", "catalog", "archived", "secondary", "claim", "code_default"]),
    conflictsWith: Type.Optional(Type.Array(Type.String({ maxLength: 80 }), { maxItems: 20 })),
  },
  closed,
);
export type PriceRecord = Static<typeof PriceRecord>;

/** How much of `to` one unit of `from` is. The plan converts only by rates that somebody has stated and dated. */
export const ExchangeRate = Type.Object(
  {
    from: CurrencyCode,
    to: CurrencyCode,
    rate: Amount,
    asOf: Day,
    source: Type.String({ minLength: 3, maxLength: 300 }),
  },
  closed,
);
export type ExchangeRate = Static<typeof ExchangeRate>;

export const PriceFile = Type.Object(
  {
    records: Type.Array(PriceRecord, { maxItems: 10_000 }),
    exchange: Type.Optional(Type.Array(ExchangeRate, { maxItems: 200 })),
  },
  closed,
);
export type PriceFile = Static<typeof PriceFile>;

export interface PriceBook {
  readonly records: readonly PriceRecord[];
  readonly exchange: readonly ExchangeRate[];
}

/** Ten thousand records fit; the core schema keeps 2026-05-01 a text. */
const priceYaml: YamlKind = { noun: "price file", maximumBytes: 2 * 1024 * 1024 };

/**
 * Reads one price file. Pure.
 * @throws PortolanError `planner.price_book_not_valid` with every problem
 */
export function parsePriceFile(text: string, file: string): PriceBook {
  const source = readYaml(text, priceYaml, file);
  if (source.kind === "unreadable") throw notValid(file, source.violations);
  const { value } = source;
  const violations: Violation[] = [...Value.Errors(PriceFile, value)].map((error) => ({
    detail: `${error.instancePath || "the file"} ${error.message}`,
    at: { file, pointer: error.instancePath },
  }));
  if (violations.length > 0) throw notValid(file, violations);
  const { records, exchange } = value as PriceFile;
  const unordered = records.filter((record) => !ordered(record));
  if (unordered.length > 0) {
    throw notValid(
      file,
      unordered.map(({ id }) => ({ detail: `${id}: low, price and high are not in order`, at: { file } })),
    );
  }
  return { records, exchange: exchange ?? [] };
}

/** One book of several files; a later file's record wins over one of the same id. */
export function mergePriceBooks(books: readonly PriceBook[]): PriceBook {
  const records = new Map(books.flatMap((book) => book.records).map((record) => [record.id, record]));
  return { records: [...records.values()], exchange: books.flatMap((book) => book.exchange) };
}

/** The instant after which a record is stale. */
export function staleFrom(record: PriceRecord): EpochMicros {
  return addMicros(parseInstant(`${record.asOf}T00:00:00Z`), parseDurationMs(record.validFor) * 1000);
}

/** The newest stated rate, or `undefined`. */
export function findRate(book: PriceBook, from: Currency, to: Currency): ExchangeRate | undefined {
  return book.exchange
    .filter((rate) => rate.from === from && rate.to === to)
    .toSorted((a, b) => (a.asOf < b.asOf ? 1 : -1))[0];
}

export function priceOf(record: PriceRecord, amount: string): Money {
  return money(amount, record.currency);
}

function ordered(record: PriceRecord): boolean {
  const nanos = (amount: string) => money(amount, record.currency).nanos;
  const price = nanos(record.price);
  return nanos(record.low ?? record.price) <= price && price <= nanos(record.high ?? record.price);
}

function notValid(file: string, violations: readonly Violation[]): PortolanError {
  return new PortolanError("planner.price_book_not_valid", {
    detail: `${file}: ${violations[0]?.detail ?? "not valid"}${violations.length > 1 ? ` (and ${violations.length - 1} more)` : ""}`,
    mend: "Compare with packages/planner/prices/compute.yaml: each record needs a date, a source and a currency.",
    violations,
  });
}
