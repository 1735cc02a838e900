import { charterMigrations, readTemplate } from "@portolan/charter";
import type { CharterDocument } from "@portolan/charter/contract";
import { parseCharter, requireValid } from "@portolan/charter/policy";
import { digestJson, formatMoney } from "@portolan/kernel";
import { type PriceBook, parsePriceFile } from "@portolan/planner";
import { fakeClock, openTestDatabase, type TestDatabase, testOrganisation } from "@portolan/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { trainingPriceOf } from "../src/wiring/training-price.ts";

const clock = fakeClock();
let db: TestDatabase;
beforeAll(async () => {
  db = await openTestDatabase({ migrations: [charterMigrations] });
});
afterAll(() => db.close());

/** Own prices of a core for an hour. */
function book(places: Readonly<Record<string, string>>, exchange = ""): PriceBook {
  const records = Object.entries(places).map(
    ([place, price]) =>
      `  - { id: core-${place.replaceAll("_", "-")}, resource: cpu_core_hour, placements: [${place}], price: "${price}", currency: USD, region: any, provider: ours, asOf: 2026-01-01, validFor: 3650d, source: a contract, confidence: own }`,
  );
  return parsePriceFile(`records:\n${records.join("\n")}\n${exchange}`, "prices.yaml");
}

const rates = 'exchange:\n  - { from: USD, to: EUR, rate: "0.5", asOf: 2026-01-01, source: a bank }\n';
const everywhere = { local: "0.02", on_prem: "0.03", cloud: "0.08" };

const template = readTemplate("churn");
const bought = requireValid(parseCharter(template, "charter.yaml")).document;
const built = requireValid(
  parseCharter(
    template.replace("buildOrBuy: buy", "buildOrBuy: build").replace("[eu-*]", "[local]"),
    "charter.yaml",
  ),
).document;

/** A use case whose charter is in force. */
async function underCharter(
  document: CharterDocument,
  digest: string = digestJson(document),
): Promise<string> {
  const useCase = `uc_${charters++}`;
  await db.database.session((session) =>
    session.query(
      `insert into charter.charters (id, organisation_id, business_unit_id, team_id, use_case_id, use_case_name, version, digest, document, lines, status,
         created_at, created_by, in_force_since) values ($1, $2, 'bu_1', 'team_1', $3, $3, 1, $4, $5::jsonb, '{}', 'in_force', 1, 'usr_1', 1)`,
      [`chr_${useCase}`, testOrganisation, useCase, digest, JSON.stringify(document)],
    ),
  );
  return useCase;
}
let charters = 0;

async function priceOf(prices: PriceBook, useCase: string | undefined): Promise<string | undefined> {
  const price = await trainingPriceOf({ clock, prices })(db.sql, useCase);
  return price && formatMoney(price);
}

test("a core costs what it costs where the charter lets the use case be trained, in its ceiling's currency", async () => {
  const rented = await underCharter(bought);
  expect(await priceOf(book(everywhere, rates), rented)).toBe("0.04 EUR");
  // Without a rate to the ceiling's currency the price stays in the book's own.
  expect(await priceOf(book(everywhere), rented)).toBe("0.08 USD");
  expect(await priceOf(book(everywhere, rates), await underCharter(built))).toBe("0.01 EUR");
});

test("without a use case, or a charter in force, it is a core of this machine", async () => {
  expect(await priceOf(book(everywhere, rates), undefined)).toBe("0.02 USD");
  expect(await priceOf(book(everywhere, rates), "uc_without")).toBe("0.02 USD");
});

test("nothing is told where no price is stated, no place is left, or the charter is not what was signed", async () => {
  const rented = await underCharter(bought);
  expect(await priceOf(book({ local: "0.02" }), rented)).toBeUndefined();
  const { residency } = bought.nonNegotiables;
  const nowhere = {
    ...bought,
    nonNegotiables: {
      ...bought.nonNegotiables,
      residency: { ...residency, regions: ["local"], owners: ["gcp"] },
    },
  } as CharterDocument;
  expect(await priceOf(book(everywhere), await underCharter(nowhere))).toBeUndefined();
  expect(await priceOf(book(everywhere), await underCharter(bought, digestJson("another")))).toBeUndefined();
});

test("a database that is away is no missing price", async () => {
  const away = await openTestDatabase({ migrations: [] });
  await expect(trainingPriceOf({ clock, prices: book(everywhere) })(away.sql, "uc_1")).rejects.toThrow();
  await away.close();
});
