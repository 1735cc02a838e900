import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { allocateBill } from "../allocate-bill.ts";
import { attosText, parseAttos } from "../bills/exact-decimal.ts";
import { readBill, readUsageLines } from "../read-lines.ts";
import { isDateTime, isKeyValue, isNationalCurrency, isNumeric, isUnit } from "./cell-formats.ts";
import { checkRules } from "./check-rules.ts";
import { serviceOf, unitOf } from "./focus-columns.ts";
import { focusTable } from "./focus-table.ts";
import { readRuleModel } from "./rule-model.ts";
import { csvText, type Table } from "./table.ts";

/** The FOCUS group's rule model, beside the checkout where there is one. */
const folder = join(import.meta.dirname, "../../../../../shared/data/focus");
const hasRules = existsSync(join(folder, "focus-model-1.2.json"));
const rules = () => readRuleModel(readFileSync(join(folder, "focus-model-1.2.json"), "utf8"), "model.json");

const usage = `business_unit,team,use_case,model,environment,resource,quantity
finance,risk,fraud,mlp,production,gpu_hours,5760
marketing,growth,recommendation,,production,gpu_hours,3840.5
research,lab,,,dev,gpu_hours,60/7
research,lab,,,dev,egress_gb,3
`;
const bill = `line,kind,amount,currency,capacity
gpu_hours,metered,138600,USD,36000
egress_gb,metered,0.27,USD,
support,shared,3000,USD,
refund,shared,-120.5,USD,
`;
const issuer = { name: "Example AI platform", accountId: "ai-platform", accountName: "AI platform" };
const november = { start: "2026-11-01T00:00:00Z", end: "2026-12-01T00:00:00Z" };
/** A statement within a company sells no commitments: its table has none of their columns. */
const question = { without: ["COMMITMENT_DISCOUNT_SUPPORTED"] };

function statement(idle: "separate" | "split" = "separate", paper = bill): Table {
  const allocation = allocateBill(readBill(paper, "bill.csv"), readUsageLines(usage, "usage.csv"), {
    idle,
    shared: "proportional",
    quotas: readUsageLines("business_unit,team,resource,quantity\nfinance,,gpu_hours,100\n", "quota.csv"),
  });
  return focusTable(allocation, issuer, november);
}

function withCell(table: Table, column: string, value: string | null, row = 0): Table {
  const at = table.columns.indexOf(column);
  return {
    ...table,
    rows: table.rows.map((cells, index) => (index === row ? cells.with(at, value) : cells)),
  };
}

function withoutColumn(table: Table, column: string): Table {
  const at = table.columns.indexOf(column);
  return {
    ...table,
    columns: table.columns.toSpliced(at, 1),
    rows: table.rows.map((cells) => cells.toSpliced(at, 1)),
  };
}

describe("the export", () => {
  test.each(["separate", "split"] as const)("sums to the bill to the last digit, idle %s", (idle) => {
    const table = statement(idle);
    for (const column of ["BilledCost", "EffectiveCost", "ListCost"]) {
      const at = table.columns.indexOf(column);
      const sum = table.rows.reduce((total, cells) => total + (parseAttos(cells[at] ?? "") ?? 0n), 0n);
      expect(attosText(sum)).toBe("141479.77");
    }
  });

  test("whatever is used and billed, price times quantity is the cost, and the rows sum to the bill", () => {
    const drawn = fc.array(fc.tuple(fc.constantFrom("a", "b", "c"), fc.bigInt(0n, 10n ** 13n)), {
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(drawn, fc.bigInt(0n, 10n ** 15n), fc.bigInt(0n, 10n ** 12n), (lines, nanos, free) => {
        const used = lines.map(([unit, quantity]) => ({
          tenant: { businessUnit: unit, team: "", useCase: "", environment: "" },
          resource: "gpu_hours",
          quantity,
        }));
        const capacity = used.reduce((sum, { quantity }) => sum + quantity, free);
        const amount = { nanos, currency: "EUR" };
        const allocation = allocateBill(
          { currency: "EUR", lines: [{ name: "gpu_hours", kind: "metered", amount, capacity }] },
          used,
          { idle: "split", shared: "uniform" },
        );
        const { columns, rows } = focusTable(allocation, issuer, november);
        const cell = (row: readonly (string | null)[], column: string) =>
          row[columns.indexOf(column)] ?? null;
        let sum = 0n;
        for (const row of rows) {
          const cost = parseAttos(cell(row, "BilledCost") ?? "") ?? -1n;
          sum += cost;
          const [price, quantity] = [cell(row, "ListUnitPrice"), cell(row, "PricingQuantity")];
          if (price === null || quantity === null) continue;
          expect((parseAttos(price) ?? 0n) * (parseAttos(quantity) ?? 0n)).toBe(cost * 10n ** 18n);
        }
        expect(sum).toBe(nanos * 10n ** 9n);
      }),
    );
  });

  test("is quoted as CSV has to be", () => {
    expect(
      csvText({
        columns: ["a", "b"],
        rows: [
          ['x "y", z', null],
          ["", "1"],
        ],
      }),
    ).toBe('a,b\r\n"x ""y"", z",\r\n"",1\r\n');
  });
});

describe.skipIf(!hasRules)("the rules of FOCUS 1.2", () => {
  test("hold for the export: each static rule that applies was checked, and none has a finding", () => {
    const report = checkRules(rules(), statement(), question);
    expect(report.findings).toEqual([]);
    expect([report.staticRules, report.dynamicRules]).toEqual([420, 201]);
    expect(report.checked + report.notApplicable + report.withoutColumn).toBe(420);
    expect(report.withoutColumn).toBe(0);
  });

  test("tax is tax: it has no price, and no rule has a finding", () => {
    const table = statement("separate", `${bill}tax,shared,26881.15,USD,\n`);
    const cellsOf = (column: string) => {
      const [category, at] = [table.columns.indexOf("ChargeCategory"), table.columns.indexOf(column)];
      return table.rows.filter((row) => row[category] === "Tax").map((row) => row[at] ?? null);
    };
    const sum = cellsOf("BilledCost").reduce((total, cost) => total + (parseAttos(cost ?? "") ?? 0n), 0n);
    expect(attosText(sum)).toBe("26881.15");
    expect(new Set([...cellsOf("ListUnitPrice"), ...cellsOf("PricingQuantity")])).toEqual(new Set([null]));
    expect(checkRules(rules(), table, question).findings).toEqual([]);
  });

  test("of commitments are two that contradict their own words; nothing else is left out", () => {
    const { findings, notApplicable } = checkRules(rules(), statement());
    expect(notApplicable).toBe(0);
    expect(
      findings.every(({ rule, column }) => rule.includes("-D-") && column.startsWith("CommitmentDiscount")),
    ).toBe(true);
    expect(findings).toHaveLength(7);
    // Null where there is no commitment, as the words have it, and still a finding.
    const bare = { columns: ["CommitmentDiscountId", "CommitmentDiscountStatus"], rows: [[null, null]] };
    const against = checkRules(rules(), bare).findings.filter(
      ({ rule }) => rule === "CommitmentDiscountStatus-C-003-C",
    );
    expect(against[0]?.says).toBe("CommitmentDiscountStatus MUST be null when CommitmentDiscountId is null.");
  });

  const cases: readonly (readonly [kind: string, rule: string, table: (good: Table) => Table])[] = [
    ["Presence", "CostAndUsage-D-006-M", (good) => withoutColumn(good, "BilledCost")],
    ["Type", "BilledCost-C-001-M", (good) => withCell(good, "BilledCost", "12 USD")],
    [
      "Type",
      "BillingAccountId-C-002-M",
      (good) => ({
        ...good,
        types: good.columns.map((name) => (name === "BillingAccountId" ? "BIGINT" : "VARCHAR")),
      }),
    ],
    ["Type", "BillingPeriodStart-C-001-M", (good) => withCell(good, "BillingPeriodStart", "1 November")],
    ["Format", "ListCost-C-002-M", (good) => withCell(good, "ListCost", "+1")],
    [
      "Format",
      "ChargePeriodEnd-C-002-M",
      (good) => withCell(good, "ChargePeriodEnd", "2026-12-01T00:00:00+01:00"),
    ],
    ["Format", "PricingUnit-C-003-O", (good) => withCell(good, "PricingUnit", "gpu hours")],
    ["Format", "Tags-C-001-M", (good) => withCell(good, "Tags", '{"a":[1]}')],
    ["Format", "ServiceName-C-002-M", (good) => withCell(good, "ServiceName", "  ")],
    ["Format", "BillingCurrency-C-003-M", (good) => withCell(good, "BillingCurrency", "usd")],
    ["Nullability", "BilledCost-C-003-M", (good) => withCell(good, "BilledCost", null)],
    ["Nullability", "SkuId-C-005-C", (good) => withCell(good, "SkuId", null)],
    ["Nullability", "SubAccountName-C-005-C", (good) => withCell(good, "SubAccountName", null)],
    ["Validation", "ChargeCategory-C-003-M", (good) => withCell(good, "ChargeCategory", "Gift")],
    ["Validation", "ServiceSubcategory-C-004-M", (good) => withCell(good, "ServiceSubcategory", "Bots")],
    ["Validation", "ListUnitPrice-C-008-M", (good) => withCell(good, "ListUnitPrice", "-1")],
    ["Validation", "ListUnitPrice-C-010-C", (good) => withCell(good, "ListCost", "1.5")],
    [
      "Validation",
      "ContractedUnitPrice-C-011-C",
      (good) => withCell(good, "ContractedUnitPrice", "3.850000001"),
    ],
    ["Validation", "BilledCost-C-005-C", (good) => withCell(good, "ProviderName", "Somebody else")],
    ["Validation", "SkuPriceId-C-008-M", (good) => withCell(good, "SkuPriceId", "gpu_hours/GPU-Hours")],
    ["Validation", "ServiceName-C-005-C", (good) => withCell(good, "ServiceName", "gpu_hours")],
    ["Validation", "EffectiveCost-C-005-C", (good) => withCell(good, "ChargeCategory", "Purchase")],
    ["Validation", "ChargeClass-C-005-C", (good) => withCell(good, "ChargeClass", "Regular")],
    ["Composite", "SubAccountType-C-003-C", (good) => withCell(good, "SubAccountType", null)],
  ];
  test.each(cases)("%s: %s catches a table that breaks it", (kind, rule, broken) => {
    const model = rules();
    const { findings } = checkRules(model, broken(statement()), question);
    expect(findings.map((finding) => finding.rule)).toContain(rule);
    expect(findings.find((finding) => finding.rule === rule)?.kind).toBe(kind);
  });

  test("each column that has to be there is missed", () => {
    const good = statement();
    const model = rules();
    for (const column of good.columns.filter((name) => !name.startsWith("x_"))) {
      const { findings } = checkRules(model, withoutColumn(good, column), question);
      expect([
        column,
        findings.some(({ kind, column: missed }) => kind === "Presence" && missed === column),
      ]).toEqual([column, true]);
    }
  });

  test("currencies are those of the group's list", () => {
    const [, ...lines] = readFileSync(join(folder, "currency_codes.csv"), "utf8").trim().split(/\r?\n/);
    const codes = lines.map((line) => line.split(",")[1] ?? "");
    expect(codes.filter((code) => !isNationalCurrency(code))).toEqual([]);
    expect(codes).toHaveLength(180);
    expect(["DEM", "usd", "XYZ", ""].filter(isNationalCurrency)).toEqual([]);
  });
});

describe("a model that is not one", () => {
  const model = (requirement: unknown) =>
    JSON.stringify({
      Details: { ModelVersion: "1", FOCUSVersion: "1" },
      ApplicabilityCriteria: { A: {} },
      CheckFunctions: {},
      ModelDatasets: { Cost: { ModelRules: ["R-1"] } },
      ModelRules: {
        "R-1": {
          Function: "Validation",
          Reference: "a",
          EntityType: "Column",
          ApplicabilityCriteria: [],
          Type: "Static",
          ValidationCriteria: { MustSatisfy: "", Keyword: "MUST", Requirement: requirement, Condition: {} },
        },
      },
    });
  const table = { columns: ["a"], rows: [["1"]] };

  test("a check that is not known is an error, never a rule that holds", () => {
    expect(() =>
      checkRules(readRuleModel(model({ CheckFunction: "CheckMoon", ColumnName: "a" }), "f"), table),
    ).toThrow("CheckMoon");
    expect(() => checkRules(readRuleModel(model({}), "f"), table)).toThrow("no check");
    expect(() =>
      checkRules(readRuleModel(model({ CheckFunction: "CheckModelRule", ModelRuleId: "X" }), "f"), table),
    ).toThrow("names X");
    expect(() =>
      checkRules(readRuleModel(model({ CheckFunction: "CheckModelRule", ModelRuleId: "R-1" }), "f"), table),
    ).toThrow("R-1 stands below itself");
    expect(() =>
      checkRules(readRuleModel(model({ CheckFunction: "AND", Items: [{ CheckFunction: 1 }] }), "f"), table),
    ).toThrow("another form");
    expect(() => readRuleModel("[]", "f")).toThrow();
    expect(() => readRuleModel("no", "f")).toThrow("no JSON");
    expect(() =>
      checkRules(
        readRuleModel(model({ CheckFunction: "CheckValue", ColumnName: "a", Value: 1 }), "f"),
        table,
        { without: ["B"] },
      ),
    ).toThrow("no criterion B");
  });
});

describe("formats", () => {
  test.each([
    [isNumeric, ["0", "-1.5", "1e-9", ".5"], ["+1", "1,000", "1/2", "$1", "", "1e+9", "1."]],
    [
      isDateTime,
      ["2026-11-01T00:00:00Z", "2024-02-29T23:59:59.5Z"],
      [
        "2026-11-01",
        "2026-02-29T00:00:00Z",
        "2026-11-01T24:00:00Z",
        "2026-11-01T00:00:00",
        "2026-11-01 00:00:00Z",
      ],
    ],
    [
      isUnit,
      ["GB", "GB-Hours", "GPU-Hours", "Requests/Second", "1000 Tokens", "Units/3 Months", "Allocations"],
      ["gpu hours", "GB-hours", "", "0 GB", "GB/3 Month", "GB-Hour"],
    ],
    [
      isKeyValue,
      ["{}", '{"a":"x:y","b":null,"c":1.5,"d":true}'],
      ["[]", '{"a":{}}', '{"a":1,"a":2}', "a=b", "null"],
    ],
  ] as const)("%o", (holds, good, bad) => {
    expect(good.filter((text) => !holds(text))).toEqual([]);
    expect(bad.filter(holds)).toEqual([]);
  });

  test("lines have a service and a unit, however they are called", () => {
    expect(["gpu_hours", "h100_hours", "egress_gb", "hours", "ä", "requests"].map(unitOf)).toEqual([
      "GPU-Hours",
      "H100-Hours",
      "GB",
      "Units",
      "Units",
      "Requests",
    ]);
    expect(["request_gb", "response_gb"].map(unitOf)).toEqual(["GB", "GB"]);
    expect(["egress_gb", "request_gb", "response_gb"].map((line) => serviceOf(line).category)).toEqual(
      Array(3).fill("Networking"),
    );
    expect(serviceOf("object_storage").category).toBe("Storage");
    expect(
      ["scoring_read_gb", "scoring_written_gb"].map((line) => [unitOf(line), serviceOf(line).category]),
    ).toEqual(Array(2).fill(["GB", "Storage"]));
  });
});

test("decimals are read and written without loss, and rounded parts sum to the rounded sum", async () => {
  const { nanosOf, nanosThatSum } = await import("../bills/exact-decimal.ts");
  expect(
    ["1.5", "-2e-3", "1E+2", ".25", "0.000000000000000001", "7.0000000000000000000000"].map((text) =>
      attosText(parseAttos(text) ?? 99n),
    ),
  ).toEqual(["1.5", "-0.002", "100", "0.25", "0.000000000000000001", "7"]);
  expect(["", ".", "1.2.3", "0.0000000000000000001", "1e99", "NaN", "1,5"].map(parseAttos)).toEqual(
    Array(7).fill(undefined),
  );
  fc.assert(
    fc.property(fc.array(fc.bigInt(-(10n ** 21n), 10n ** 21n)), (attos) => {
      const nanos = nanosThatSum(attos);
      expect(nanos.reduce((sum, one) => sum + one, 0n)).toBe(
        nanosOf(attos.reduce((sum, one) => sum + one, 0n)),
      );
      for (const [at, one] of attos.entries()) {
        const off = (nanos[at] ?? 0n) * 10n ** 9n - one;
        expect(off > -(10n ** 9n) && off <= 10n ** 9n).toBe(true);
      }
      expect(parseAttos(attosText(attos[0] ?? 0n))).toBe(attos[0] ?? 0n);
    }),
  );
});
