import type { PortolanError, Violation } from "@portolan/kernel";
import { type Static, Type, Value } from "@portolan/typebox";
import { placeOf, readYaml } from "@portolan/yaml-source";
import { fileNotValid } from "../file-not-valid.ts";
import type { Bill, BillLine } from "../lines.ts";
import { parseQuantity, partsPerUnit } from "../quantity.ts";
import { type Charge, chargeFields, type ProviderBill } from "./charge.ts";
import { attosPerUnit, nanosThatSum } from "./exact-decimal.ts";

const closed = { additionalProperties: false } as const;
const Pattern = Type.String({ minLength: 1, maxLength: 200 });
const LineName = Type.String({ pattern: '^[^,\\r\\n"]{1,100}$' });
const Quantity = Type.Union([Type.Number({ minimum: 0 }), Type.String({ maxLength: 40 })]);

const MappedLine = Type.Object(
  {
    line: LineName,
    kind: Type.Enum(["metered", "shared"]),
    match: Type.Object(
      Object.fromEntries(chargeFields.map((field) => [field, Type.Optional(Pattern)])),
      closed,
    ),
    /** Of a metered line: what was paid for, as a number or by each unit that the bill counts. */
    capacity: Type.Optional(Quantity),
    capacity_per_unit: Type.Optional(Quantity),
  },
  closed,
);
const BillMapping = Type.Object(
  {
    lines: Type.Array(MappedLine, { minItems: 1, maxItems: 500 }),
    others: Type.Optional(Type.Enum(["shared", "refuse"])),
  },
  closed,
);
export type BillMapping = Static<typeof BillMapping>;
type MappedLine = Static<typeof MappedLine>;

const kind = { noun: "mapping", maximumBytes: 256 * 1024 };

/**
 * Reads which charges of a provider's bill are which lines of a bill that is split.
 *
 * @throws PortolanError `metering.file_not_valid` with the place of each finding
 */
export function readBillMapping(text: string, file: string): BillMapping {
  const source = readYaml(text, kind, file);
  if (source.kind === "unreadable") throw mappingNotValid(file, source.violations);
  const { value, lines } = source;
  const at = (pointer: string) => ({ file, pointer, ...placeOf(pointer, lines) });
  const faults: Violation[] = [...Value.Errors(BillMapping, value)].map(({ instancePath, message }) => ({
    detail: `${instancePath || "the file"} ${message}`,
    at: at(instancePath),
  }));
  if (faults.length > 0) throw mappingNotValid(file, faults);
  const mapping = value as BillMapping;
  for (const [index, line] of mapping.lines.entries()) {
    const fault = lineFault(line, mapping.lines.slice(0, index));
    if (fault !== undefined) faults.push({ detail: `${line.line}: ${fault}`, at: at(`/lines/${index}`) });
  }
  if (faults.length > 0) throw mappingNotValid(file, faults);
  return mapping;
}

function lineFault(line: MappedLine, earlier: readonly MappedLine[]): string | undefined {
  if (earlier.some((other) => other.line === line.line && other.kind !== line.kind))
    return "it is metered in one place and shared in another";
  if (Object.keys(line.match).length === 0) return "match names nothing";
  if (line.capacity !== undefined && line.capacity_per_unit !== undefined)
    return "capacity and capacity_per_unit exclude each other";
  if (line.kind === "shared" && (line.capacity ?? line.capacity_per_unit) !== undefined)
    return "a shared line has no capacity";
  const bad = [line.capacity, line.capacity_per_unit].find(
    (quantity) => quantity !== undefined && parseQuantity(String(quantity)) === undefined,
  );
  return bad === undefined
    ? undefined
    : `${JSON.stringify(bad)} is no quantity such as 36000, "0.25" or "1/7"`;
}

/** Which line a charge is of: the first that matches; those that none matches are shared lines by what they are. */
export function lineOf(
  charge: Charge,
  mapping: BillMapping | undefined,
): { readonly line: string; readonly mapped?: MappedLine } {
  const mapped = mapping?.lines.find(({ match }) => matches(charge, match));
  if (mapped) return { line: mapped.line, mapped };
  return {
    line:
      charge.category === "usage" || charge.category === "purchase"
        ? `other ${plain(charge.service) || "charges"}`
        : names[charge.category],
  };
}

const names = { tax: "tax", credit: "credits", adjustment: "refunds and adjustments" } as const;

function plain(text: string): string {
  return text.replaceAll(/[,\r\n"]+/g, " ").slice(0, 90);
}

function matches(charge: Charge, match: MappedLine["match"]): boolean {
  return chargeFields.every((field) => {
    const pattern = match[field];
    return pattern === undefined || isLike(charge[field], pattern);
  });
}

/** `*` stands for any text; small and capital letters are the same. Linear in the text for each part. */
function isLike(text: string, pattern: string): boolean {
  const parts = pattern.toLowerCase().split("*");
  const whole = text.toLowerCase();
  const [first = "", ...rest] = parts;
  if (rest.length === 0) return whole === first;
  const last = rest.pop() ?? "";
  if (!whole.startsWith(first) || !whole.endsWith(last) || whole.length < first.length + last.length)
    return false;
  let at = first.length;
  for (const part of rest) {
    const found = whole.indexOf(part, at);
    if (found < 0 || found + part.length > whole.length - last.length) return false;
    at = found + part.length;
  }
  return true;
}

export interface MappedBill {
  readonly bill: Bill;
  /** Charges that no line of the mapping matches. */
  readonly unmatched: number;
}

/**
 * A provider's bill as lines that can be split. The lines sum to the rounded sum of all charges: no row is left out, and what rounding to billionths leaves over
 * goes to the lines with the largest rests. Pure.
 *
 * @throws PortolanError `metering.file_not_valid` where charges match no line and the mapping refuses such
 */
export function mapBill(
  provider: ProviderBill,
  cost: "billed" | "effective",
  mapping?: BillMapping,
): MappedBill {
  const sums = new Map<
    string,
    { attos: bigint; quantity: bigint; readonly mapped: MappedLine | undefined }
  >();
  const unmatched: Charge[] = [];
  for (const charge of provider.charges) {
    const { line, mapped } = lineOf(charge, mapping);
    if (!mapped) unmatched.push(charge);
    const sum = sums.get(line) ?? { attos: 0n, quantity: 0n, mapped };
    sums.set(line, sum);
    sum.attos += charge[cost];
    if (charge.category === "usage" && !charge.isCorrection) sum.quantity += charge.quantity ?? 0n;
  }
  const [first] = unmatched;
  if (first && mapping?.others === "refuse")
    throw mappingNotValid("the bill", [
      {
        detail: `${unmatched.length} charges match no line of the mapping, the first in row ${first.row}: ${first.service} ${first.sku}`,
      },
    ]);
  const inOrder = [...sums].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const nanos = nanosThatSum(inOrder.map(([, { attos }]) => attos));
  const lines = inOrder.map(([name, { mapped, quantity }], at): BillLine => {
    const capacity = mapped && capacityOf(mapped, quantity);
    return {
      name,
      kind: mapped?.kind ?? "shared",
      amount: { nanos: nanos[at] ?? 0n, currency: provider.currency },
      ...(capacity === undefined ? {} : { capacity }),
    };
  });
  return { bill: { currency: provider.currency, lines }, unmatched: unmatched.length };
}

function capacityOf(
  { capacity, capacity_per_unit: perUnit }: MappedLine,
  quantity: bigint,
): bigint | undefined {
  if (capacity !== undefined) return parseQuantity(String(capacity));
  if (perUnit === undefined) return undefined;
  return ((parseQuantity(String(perUnit)) ?? 0n) * quantity) / attosPerUnit;
}

/** Bills of several sources as one. Lines of one name are added up. @throws PortolanError `metering.file_not_valid` for two currencies */
export function joinBills(bills: readonly Bill[]): Bill {
  const currencies = [...new Set(bills.map(({ currency }) => currency))];
  if (currencies.length > 1)
    throw mappingNotValid("the bills", [
      { detail: `they have several currencies: ${currencies.join(", ")}` },
    ]);
  const lines = new Map<string, BillLine>();
  for (const line of bills.flatMap((bill) => bill.lines)) {
    const before = lines.get(line.name);
    if (before && before.kind !== line.kind)
      throw mappingNotValid("the bills", [
        { detail: `${line.name} is metered in one and shared in another` },
      ]);
    lines.set(line.name, before ? added(before, line) : line);
  }
  return { currency: currencies[0] ?? "XXX", lines: [...lines.values()] };
}

function added(a: BillLine, b: BillLine): BillLine {
  const { capacity: _, ...rest } = a;
  // Where one of both has no capacity nobody knows what of the other was idle.
  const capacity = a.capacity === undefined || b.capacity === undefined ? undefined : a.capacity + b.capacity;
  return {
    ...rest,
    amount: { nanos: a.amount.nanos + b.amount.nanos, currency: a.amount.currency },
    ...(capacity === undefined ? {} : { capacity }),
  };
}

/** Units of a month's hours, as capacity. */
export function capacityOfHours(units: bigint, hours: bigint): bigint {
  return units * hours * partsPerUnit;
}

function mappingNotValid(file: string, violations: readonly Violation[]): PortolanError {
  return fileNotValid(file, violations, "docs/statements.md shows a mapping.");
}
