import { regulations } from "@portolan/charter/contract";
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
import { placeOf, readYaml, type SourceLines, type YamlKind } from "@portolan/yaml-source";
import { meaningFaults, type PriceFault, shapeFaults } from "./prices/price-faults.ts";

export const placements = ["local", "on_prem", "cloud", "edge"] as const;
export type Placement = (typeof placements)[number];

export const pricedResources = [
  "cpu_core_hour",
  "memory_gib_hour",
  "gpu_hour",
  "storage_gb_month",
  "nvme_gb_month",
  "hdd_gb_month",
  "object_gb_month",
  "egress_gb",
  "zone_egress_gb",
  "region_egress_gb",
  // No record of the book has these: what bytes that are read, written or received cost is the own contract's, and budgets take it from an own file.
  "request_gb",
  "response_gb",
  "scoring_read_gb",
  "scoring_written_gb",
  "engineer_month",
  "gpu_purchase",
  "server_purchase",
  "power_kwh",
  "colocation_kw_month",
] as const;
export type PricedResource = (typeof pricedResources)[number];

/** How it is paid for. A record that says nothing is on demand. */
export const pricingModels = [
  "on_demand",
  "reserved_1y",
  "reserved_3y",
  "spot",
  "capacity_block",
  "owned",
] as const;
export type PricingModel = (typeof pricingModels)[number];

/** What an auditor has attested of a provider. One that no source supports is lacking. */
export const certifications = ["hipaa_baa", "soc1", "soc2", "iso27001", "pci_dss", "fedramp"] as const;
export type Certification = (typeof certifications)[number];

const Amount = Type.String({ pattern: "^\\d+(\\.\\d{1,9})?$", description: 'Decimal text, e.g. "3.67"' });
const Day = Type.String({ pattern: "^\\d{4}-\\d{2}-\\d{2}$", description: "Day, e.g. 2026-05-01" });
const CurrencyCode = Type.String({ pattern: "^[A-Z]{3}$" });
const Availability = Type.String({
  pattern: "^\\d{1,2}(\\.\\d{1,5})?%$",
  description: "Of a month, e.g. 99.99%",
});
const closed = { additionalProperties: false } as const;

/** `own`: what you pay yourself. `assumed`: no source states it, and `why` says what it rests on. */
export const confidences = [
  "own",
  "catalog",
  "archived",
  "secondary",
  "claim",
  "code_default",
  "assumed",
] as const;

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
    pricing: Type.Optional(Type.Enum([...pricingModels], { description: "Absent: on_demand" })),
    service: Type.Optional(Type.String({ maxLength: 60, description: "Id under services: who sells it" })),
    availability: Type.Optional(Availability),
    certifications: Type.Optional(Type.Array(Type.Enum([...certifications]), { maxItems: 20 })),
    asOf: Day,
    validFor: Type.String({ pattern: "^\\d+d$", description: "Days after which it is stale, e.g. 365d" }),
    source: Type.String({ minLength: 3, maxLength: 300 }),
    confidence: Type.Enum([...confidences]),
    why: Type.Optional(
      Type.String({ minLength: 10, maxLength: 300, description: "What an assumed price rests on" }),
    ),
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

/** What a seller promises and has had attested, with the source of each. */
export const ProviderService = Type.Object(
  {
    id: Type.String({ pattern: "^[a-z0-9-]{2,60}$" }),
    name: Type.String({ minLength: 2, maxLength: 120 }),
    availability: Type.Optional(Availability),
    availabilitySource: Type.Optional(Type.String({ minLength: 3, maxLength: 300 })),
    certifications: Type.Array(
      Type.Object(
        { name: Type.Enum([...certifications]), source: Type.String({ minLength: 3, maxLength: 300 }) },
        closed,
      ),
      { maxItems: 20 },
    ),
    asOf: Day,
  },
  closed,
);
export type ProviderService = Static<typeof ProviderService>;

/**
 * What a regulation may fine: so much for each record, or a share of the yearly revenue worldwide or an amount, whichever is more. `atMost`
 * bounds it for a year.
 */
export const FineRule = Type.Object(
  {
    id: Type.String({ pattern: "^[a-z0-9-]{3,80}$" }),
    regulation: Type.Enum([...regulations]),
    perRecord: Type.Optional(Amount),
    shareOfRevenue: Type.Optional(Amount),
    amount: Type.Optional(Amount),
    atMost: Type.Optional(Amount),
    currency: CurrencyCode,
    asOf: Day,
    source: Type.String({ minLength: 3, maxLength: 300 }),
    confidence: Type.Enum(["own", "law", "claim"]),
  },
  closed,
);
export type FineRule = Static<typeof FineRule>;

export const PriceFile = Type.Object(
  {
    /** None where a file states rates of exchange alone. */
    records: Type.Optional(Type.Array(PriceRecord, { maxItems: 10_000 })),
    exchange: Type.Optional(Type.Array(ExchangeRate, { maxItems: 200 })),
    services: Type.Optional(Type.Array(ProviderService, { maxItems: 500 })),
    fines: Type.Optional(Type.Array(FineRule, { maxItems: 200 })),
  },
  { ...closed, minProperties: 1 },
);
export type PriceFile = Static<typeof PriceFile>;

export interface PriceBook {
  readonly records: readonly PriceRecord[];
  readonly exchange: readonly ExchangeRate[];
  readonly services?: readonly ProviderService[];
  readonly fines?: readonly FineRule[];
}

/** Ten thousand records fit; the core schema keeps 2026-05-01 a text. */
const priceYaml: YamlKind = { noun: "price file", maximumBytes: 2 * 1024 * 1024 };

/**
 * Reads one price file. Pure.
 * @throws PortolanError `planner.price_book_not_valid` with every problem, its line and its mend
 */
export function parsePriceFile(text: string, file: string): PriceBook {
  const source = readYaml(text, priceYaml, file);
  if (source.kind === "unreadable") throw notValid(file, source.violations);
  const { value, lines } = source;
  const shape = shapeFaults(Value.Errors(PriceFile, value));
  const faults = shape.length > 0 ? shape : meaningFaults(value as PriceFile);
  if (faults.length > 0)
    throw notValid(
      file,
      faults.map((fault) => located(fault, lines, file)),
    );
  const { records, exchange, services, fines } = value as PriceFile;
  return {
    records: records ?? [],
    exchange: exchange ?? [],
    ...(services ? { services } : {}),
    ...(fines ? { fines } : {}),
  };
}

/** One book of several files; a later file's record or service wins over one of the same id. */
export function mergePriceBooks(books: readonly PriceBook[]): PriceBook {
  const records = new Map(books.flatMap((book) => book.records).map((record) => [record.id, record]));
  const services = new Map(books.flatMap((book) => book.services ?? []).map((one) => [one.id, one]));
  const fines = new Map(books.flatMap((book) => book.fines ?? []).map((one) => [one.id, one]));
  return {
    records: [...records.values()],
    exchange: books.flatMap((book) => book.exchange),
    services: [...services.values()],
    fines: [...fines.values()],
  };
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

function located(fault: PriceFault, lines: SourceLines, file: string): Violation {
  const place = placeOf(fault.pointer, lines);
  const at = { file, pointer: fault.pointer, ...place };
  return { detail: fault.detail, mend: fault.mend, at };
}

function notValid(file: string, violations: readonly Violation[]): PortolanError {
  const [first] = violations;
  const where = first?.at?.line === undefined ? file : `${file}:${first.at.line}`;
  return new PortolanError("planner.price_book_not_valid", {
    detail: `${where}: ${first?.detail ?? "not valid"}${violations.length > 1 ? ` (and ${violations.length - 1} more)` : ""}`,
    mend:
      first?.mend ??
      "Compare with packages/planner/prices/compute.yaml: each record needs a date, a source and a currency.",
    violations,
  });
}
