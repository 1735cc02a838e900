import { formatDecimal, isPortolanError } from "@portolan/kernel";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Table } from "../focus/table.ts";
import type { Bill } from "../lines.ts";
import { quantityText } from "../quantity.ts";
import { billCsv, readBill } from "../read-lines.ts";
import { joinBills, mapBill, readBillMapping } from "./bill-mapping.ts";
import { attosText } from "./exact-decimal.ts";
import { readProviderBill } from "./read-provider-bill.ts";
import { reconcileBill, reconcileParts } from "./reconcile.ts";

const faultOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (isPortolanError(error)) return `${error.code}: ${error.detail}`;
    throw error;
  }
  return "";
};

type Cells = Readonly<Record<string, string>>;

function tableOf(rows: readonly Cells[]): Table {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return { columns, rows: rows.map((row) => columns.map((column) => row[column] ?? null)) };
}

const november = {
  "lineItem/UsageStartDate": "2026-11-01T00:00:00Z",
  "lineItem/UsageEndDate": "2026-12-01T00:00:00Z",
  "lineItem/CurrencyCode": "USD",
};
const ec2 = { ...november, "lineItem/ProductCode": "AmazonEC2" };
const reservation = { "reservation/ReservationARN": "arn:ri/1" };
const plan = { "savingsPlan/SavingsPlanARN": "arn:sp/1" };
const typed = (type: string, cost: string) => ({
  "lineItem/LineItemType": type,
  "lineItem/UnblendedCost": cost,
});

/** Worked by hand: a reservation of 744 h at 0.6, paid 1,000 in advance too, of which 24 h were not used; a savings plan of 40, of which 36 were used. */
const cur: readonly Cells[] = [
  {
    ...ec2,
    ...typed("Usage", "327.726"),
    "pricing/publicOnDemandCost": "327.726",
    "lineItem/UsageAmount": "10",
    "lineItem/UsageType": "USE1-BoxUsage:p4d.24xlarge",
  },
  {
    ...ec2,
    ...typed("DiscountedUsage", "0"),
    ...reservation,
    "pricing/publicOnDemandCost": "720",
    "reservation/EffectiveCost": "432",
    "lineItem/UsageAmount": "720",
    "lineItem/UsageType": "BoxUsage:m6i.4xlarge",
  },
  {
    ...ec2,
    ...typed("RIFee", "446.4"),
    ...reservation,
    "reservation/UnusedRecurringFee": "14.4",
    "reservation/UnusedAmortizedUpfrontFeeForBillingPeriod": "0.0",
  },
  {
    ...ec2,
    ...typed("SavingsPlanCoveredUsage", "50"),
    ...plan,
    "pricing/publicOnDemandCost": "50",
    "savingsPlan/SavingsPlanEffectiveCost": "36",
    "lineItem/UsageAmount": "100",
  },
  { ...ec2, ...typed("SavingsPlanNegation", "-50"), ...plan },
  {
    ...ec2,
    ...typed("SavingsPlanRecurringFee", "4.0E+1"),
    ...plan,
    "savingsPlan/TotalCommitmentToDate": "40",
    "savingsPlan/UsedCommitment": "36",
  },
  { ...ec2, ...typed("Tax", "21.5") },
  { ...ec2, ...typed("Credit", "-100") },
  { ...ec2, ...typed("Refund", "-3.000000000001") },
  { ...ec2, ...typed("Fee", "1000"), ...reservation },
  { ...ec2, ...typed("EdpDiscount", "-5.25") },
  { ...november, ...typed("Fee", "29"), "lineItem/ProductCode": "AWSSupport" },
];

const snake = (name: string) =>
  name
    .replace("/", "_")
    .replaceAll(/(?<=[a-z_A-Z])[A-Z]/g, (letter) => `_${letter}`)
    .replaceAll("__", "_")
    .toLowerCase();
const cur2 = cur.map((row) =>
  Object.fromEntries(Object.entries(row).map(([name, value]) => [snake(name), value])),
);

describe("a Cost and Usage Report", () => {
  test.each([
    ["CUR", cur],
    ["CUR 2.0", cur2],
  ] as const)("%s: what is billed, and what it cost with commitments spread", (format, rows) => {
    const bill = readProviderBill(tableOf(rows), "cur.csv");
    expect(bill.format).toBe(format);
    const sum = (of: "billed" | "effective") =>
      attosText(bill.charges.reduce((total, charge) => total + charge[of], 0n));
    expect(sum("billed")).toBe("1756.375999999999");
    expect(sum("effective")).toBe("756.375999999999");
  });

  test("an estimate is reconciled line by line, with reservations, plans, credits, tax and refunds apart", () => {
    const provider = readProviderBill(tableOf(cur), "cur.csv");
    const mapping = readBillMapping(
      "lines:\n  - {line: gpu_hours, kind: metered, capacity_per_unit: 8, match: {sku: '*p4d*', category: usage}}\n  - {line: compute, kind: metered, match: {service: amazonec2, category: usage}}\n  - {line: commitments, kind: shared, match: {category: purchase, commitment: 'arn:*'}}\n",
      "map.yaml",
    );
    const estimate = readBill(
      "line,kind,amount,currency\ngpu_hours,metered,300,USD\ncompute,metered,480,USD\negress_gb,metered,9,USD\n",
      "estimate.csv",
    );
    const found = reconcileBill(estimate, provider, "effective", mapping);
    const shown = Object.fromEntries(
      found.lines.map(({ line, where, estimated, actual, parts }) => [
        line,
        [
          where,
          attosText(estimated),
          attosText(actual),
          ...reconcileParts.flatMap((part) =>
            parts[part] === 0n ? [] : [`${part} ${attosText(parts[part])}`],
          ),
        ],
      ]),
    );
    expect(shown).toEqual({
      gpu_hours: ["both", "300", "327.726", "usage 327.726"],
      compute: ["both", "480", "468", "usage 770", "commitments -302"],
      commitments: ["bill", "0", "18.4", "commitments 18.4"],
      credits: ["bill", "0", "-105.25", "credits -105.25"],
      egress_gb: ["estimate", "9", "0"],
      "other AWSSupport": ["bill", "0", "29", "commitments 29"],
      "refunds and adjustments": ["bill", "0", "-3.000000000001", "refunds -3.000000000001"],
      tax: ["bill", "0", "21.5", "tax 21.5"],
    });
    expect(attosText(found.actual - found.estimated)).toBe("-32.624000000001");
    const { bill, unmatched } = mapBill(provider, "effective", mapping);
    expect(unmatched).toBe(5);
    expect(bill.lines.find(({ name }) => name === "gpu_hours")?.capacity).toBe(readCapacity("80"));
    // To billionths: the refund's 10^-12 is below what can be paid.
    expect(totalOf(bill)).toBe("756.376");
    expect(readBill(billCsv(bill), "again.csv")).toEqual(bill);
    expect(faultOf(() => mapBill(provider, "billed", { ...mapping, others: "refuse" }))).toContain(
      "5 charges match no line of the mapping, the first in row 7",
    );
  });

  test.each([
    [{ "lineItem/LineItemType": "Gift" }, 'line 2: lineItem/LineItemType: "Gift" is not known'],
    [{ "lineItem/UnblendedCost": "12,5" }, 'lineItem/UnblendedCost: "12,5" is no decimal'],
    [{ "lineItem/UnblendedCost": "" }, "lineItem/UnblendedCost: it is empty"],
    [{ "lineItem/UsageEndDate": "2026-11-01T00:00:00Z" }, "not after its start"],
    [{ "lineItem/UsageStartDate": "2026-10-25T02:30:00+02:00" }, "is no moment in UTC"],
    [{ "lineItem/CurrencyCode": "EUR" }, "several currencies: EUR, USD"],
    [{ "lineItem/CurrencyCode": "" }, "is no ISO 4217 code"],
  ] as const)("%j is refused, with its line", (cells, words) => {
    expect(
      faultOf(() => readProviderBill(tableOf([{ ...cur[0], ...cells }, ...cur.slice(1)]), "cur.csv")),
    ).toContain(words);
  });

  test("a table that is no bill, or has lost a column, says so", () => {
    expect(faultOf(() => readProviderBill(tableOf([{ a: "1" }]), "x.csv"))).toContain("neither FOCUS");
    expect(
      faultOf(() => readProviderBill({ columns: ["lineItem/LineItemType"], rows: [["Usage"]] }, "x.csv")),
    ).toContain("no column lineItem/UnblendedCost");
  });
});

const focus: Cells = {
  BilledCost: "12.5",
  EffectiveCost: "10",
  ListCost: "15",
  BillingCurrency: "EUR",
  ChargeCategory: "Usage",
  ChargePeriodStart: "2026-11-01 00:00:00",
  ChargePeriodEnd: "2026-11-01 01:00:00+00",
  ServiceName: "Compute, large",
};

describe("a FOCUS bill", () => {
  test("is known by its columns, and corrections are refunds", () => {
    const version = (more: Cells) => readProviderBill(tableOf([{ ...focus, ...more }]), "f.csv").format;
    expect([version({}), version({ ServiceSubcategory: "" }), version({ InvoiceId: "" })]).toEqual([
      "FOCUS 1.0",
      "FOCUS 1.1",
      "FOCUS 1.2",
    ]);
    const provider = readProviderBill(
      tableOf([
        focus,
        { ...focus, ChargeClass: "Correction", BilledCost: "-2" },
        { ...focus, ChargeCategory: "Credit", BilledCost: "-1" },
      ]),
      "f.csv",
    );
    const { lines } = reconcileBill({ currency: "EUR", lines: [] }, provider, "billed");
    expect(
      lines.map(({ line, actual, parts }) => [
        line,
        attosText(actual),
        attosText(parts.discounts),
        attosText(parts.refunds),
      ]),
    ).toEqual([
      ["credits", "-1", "0", "0"],
      ["other Compute  large", "10.5", "-2.5", "-2"],
    ]);
    expect(provider.charges[0]).toMatchObject({ start: "2026-11-01T00:00:00Z", end: "2026-11-01T01:00:00Z" });
  });

  test.each([
    [{ ChargeCategory: "Gift" }, "ChargeCategory:"],
    [{ BilledCost: "" }, "BilledCost: it is empty"],
    [{ BilledCost: "1e-30" }, "is no decimal"],
  ])("%j is refused", (cells, words) => {
    expect(faultOf(() => readProviderBill(tableOf([{ ...focus, ...cells }]), "f.csv"))).toContain(words);
  });

  test("however rows are drawn, ordered and mapped, the lines sum to the rounded bill", () => {
    const rows = fc.array(
      fc.record({
        BilledCost: fc.bigInt(-(10n ** 22n), 10n ** 22n).map(attosText),
        ChargeCategory: fc.constantFrom("Usage", "Purchase", "Tax", "Credit", "Adjustment"),
        ServiceName: fc.constantFrom("a", "b", "c"),
      }),
      { minLength: 1, maxLength: 12 },
    );
    fc.assert(
      fc.property(rows, (drawn) => {
        const read = (cells: readonly Cells[]) =>
          readProviderBill(tableOf(cells.map((row) => ({ ...focus, ...row }))), "f.csv");
        const provider = read(drawn);
        const attos = provider.charges.reduce((sum, { billed }) => sum + billed, 0n);
        const { bill } = mapBill(provider, "billed");
        const nanos = bill.lines.reduce((sum, { amount }) => sum + amount.nanos, 0n);
        const off = nanos * 10n ** 9n - attos;
        expect(off * 2n <= 10n ** 9n && off * 2n >= -(10n ** 9n)).toBe(true);
        expect(mapBill(read(drawn.toReversed()), "billed").bill).toEqual(bill);
        const { lines, actual, estimated } = reconcileBill(bill, provider, "billed");
        expect(actual).toBe(attos);
        expect(lines.reduce((sum, line) => sum + line.actual - line.estimated, 0n)).toBe(actual - estimated);
      }),
    );
  });
});

describe("a mapping", () => {
  test.each([
    ["lines: []", "lines"],
    ["lines: [{line: 'a,b', kind: shared, match: {service: x}}]", "line"],
    ["lines: [{line: a, kind: shared, match: {}}]", "a: match names nothing"],
    ["lines: [{line: a, kind: shared, match: {service: x}, capacity: 3}]", "a shared line has no capacity"],
    ["lines: [{line: a, kind: metered, match: {service: x}, capacity: 1/11}]", "is no quantity"],
    [
      "lines: [{line: a, kind: metered, match: {service: x}}, {line: a, kind: shared, match: {service: y}}]",
      "metered in one place",
    ],
    ["lines: [{line: a, kind: metered, match: {colour: x}}]", "colour"],
  ])("%s is refused", (text, words) => {
    expect(faultOf(() => readBillMapping(text, "map.yaml"))).toContain(words);
  });

  test("patterns match whole texts, and stars any part", () => {
    const line = (pattern: string, sku: string) => {
      const provider = readProviderBill(tableOf([{ ...focus, SkuId: sku }]), "f.csv");
      return (
        mapBill(
          provider,
          "billed",
          readBillMapping(`lines: [{line: a, kind: shared, match: {sku: '${pattern}'}}]`, "m"),
        ).unmatched === 0
      );
    };
    expect([
      line("a*", "Abc"),
      line("*c", "abc"),
      line("*b*", "abc"),
      line("abc", "ABC"),
      line("*", ""),
    ]).toEqual(Array(5).fill(true));
    expect([line("b*", "abc"), line("a*a", "a"), line("ab", "abc"), line("a*b*c*c", "abc")]).toEqual(
      Array(4).fill(false),
    );
  });
});

test("bills of several sources are one, and two currencies or kinds are not", () => {
  const of = (text: string) => readBill(`line,kind,amount,currency,capacity\n${text}`, "b.csv");
  const joined = joinBills([of("gpu,metered,1.5,USD,10\n"), of("gpu,metered,2,USD,5\ntax,shared,1,USD,\n")]);
  expect(billCsv(joined)).toBe(
    "line,kind,amount,currency,capacity\ngpu,metered,3.5,USD,15\ntax,shared,1,USD,\n",
  );
  expect(billCsv(joinBills([joined, of("gpu,metered,1,USD,\n")]))).toContain("gpu,metered,4.5,USD,\n");
  expect(faultOf(() => joinBills([of("a,shared,1,USD,\n"), of("a,shared,1,EUR,\n")]))).toContain(
    "several currencies",
  );
  expect(faultOf(() => joinBills([of("a,shared,1,USD,\n"), of("a,metered,1,USD,\n")]))).toContain(
    "metered in one and shared",
  );
});

function totalOf({ lines, currency }: Bill): string {
  return formatDecimal({ nanos: lines.reduce((sum, { amount }) => sum + amount.nanos, 0n), currency });
}

function readCapacity(text: string): bigint {
  const capacity =
    readBill(`line,kind,amount,currency,capacity\na,metered,1,USD,${text}\n`, "b").lines[0]?.capacity ?? 0n;
  expect(quantityText(capacity)).toBe(text);
  return capacity;
}
