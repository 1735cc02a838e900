import { isPortolanError, parseInstant } from "@portolan/kernel";
import { describe, expect, test } from "vitest";
import { type Certification, mergePriceBooks, type PriceBook, parsePriceFile } from "../price-book.ts";
import { choosePrice } from "../price-choice.ts";
import { readShippedPrices } from "../shipped-prices.ts";
import { eligibleBook, lackingOf, whatNoneHas } from "./provider-needs.ts";
import { conflictsOf, findPrice, isOfRegion, reviewPrices, searchPrices } from "./search-prices.ts";

const now = parseInstant("2026-06-01T00:00:00Z");
const shipped = readShippedPrices();

function own(line: string, rest = ""): PriceBook {
  return parsePriceFile(`records:\n  - { ${line} }\n${rest}`, "own.yaml");
}

const base =
  'id: our-h100, resource: gpu_hour, product: H100, placements: [cloud], price: "2", currency: USD, region: eu, provider: x, asOf: 2026-05-01, validFor: 90d, source: our contract, confidence: own';

function faultsOf(text: string) {
  try {
    parsePriceFile(text, "own.yaml");
    return [];
  } catch (error) {
    if (!isPortolanError(error)) throw error;
    return error.violations ?? [];
  }
}

describe("the shipped book", () => {
  test("refers to records and sellers that it has, and mixes no currencies", () => {
    // On the day after the youngest record was read.
    const kinds = reviewPrices(shipped, parseInstant("2026-11-30T00:00:00Z")).map(({ kind }) => kind);
    expect(kinds).not.toContain("unknown_reference");
    expect(kinds).not.toContain("not_yet");
    expect(kinds).not.toContain("currency_mix");
  });

  test("keeps the three prices of AWS's H100 that contradict each other, each pair once", () => {
    const pairs = reviewPrices(shipped, now)
      .filter(({ kind, records }) => kind === "conflict" && records[0]?.startsWith("gpu-h100-aws-"))
      .map(({ records }) => records.join(" "));
    expect(pairs.filter((pair) => !pair.includes("reserved")).length).toBe(3);
    expect(new Set(pairs).size).toBe(pairs.length);
  });

  test("says of each assumed price what it rests on", () => {
    const assumed = shipped.records.filter(({ confidence }) => confidence === "assumed");
    expect(assumed.length).toBeGreaterThan(0);
    for (const { why } of assumed) expect(why?.length).toBeGreaterThan(10);
  });

  test("knows sources of whatever it says of sellers", () => {
    for (const { certifications } of shipped.services ?? []) {
      for (const { source } of certifications) expect(source.length).toBeGreaterThan(10);
    }
  });
});

describe("a conflict", () => {
  test("has two sides, whichever names it", () => {
    const named = shipped.records.find(({ id }) => id === "gpu-a100-range-2026");
    const other = shipped.records.find(({ id }) => id === "gpu-a100-azure-list-2025");
    expect(named && conflictsOf(shipped, named)).toContain("gpu-a100-azure-list-2025");
    expect(other && conflictsOf(shipped, other)).toEqual(["gpu-a100-range-2026"]);
  });
});

describe("what a way to pay finds", () => {
  const question = {
    resource: "gpu_hour",
    placement: "cloud",
    products: ["H100"],
    currency: "USD",
    now,
  } as const;
  test.each([
    ["spot", ["gpu-h100-aws-spot-2026", "gpu-h100-gcp-spot-2026"]],
    ["reserved_3y", ["gpu-h100-reserved-3y-2026"]],
    ["capacity_block", ["gpu-h100-aws-block-2024"]],
  ] as const)("%s", (pricing, records) => {
    expect(choosePrice(shipped, { ...question, pricing }).records).toEqual(records);
  });

  test("nothing is said: on demand, and never a reserved or spot price", () => {
    const { records } = choosePrice(shipped, question);
    expect(records.some((id) => /spot|reserved|block/.test(id))).toBe(false);
    expect(records).toContain("gpu-h100-azure-2026");
  });

  test("what nobody sells is missing, and an assumed price says so", () => {
    expect(() => choosePrice(shipped, { ...question, products: ["B200"], pricing: "spot" })).toThrow(
      "planner.price_missing",
    );
    expect(choosePrice(shipped, { ...question, pricing: "reserved_3y" }).warnings.join()).toContain(
      "gpu-h100-reserved-3y-2026 is assumed: no source",
    );
  });

  test("A100 is A100-40GB and A100-80GB, and A10 is neither", () => {
    expect(choosePrice(shipped, { ...question, products: ["A100"] }).records).toEqual([
      "gpu-a100-range-2026",
    ]);
    expect(() => choosePrice(shipped, { ...question, products: ["A10"] })).toThrow("planner.price_missing");
  });
});

describe("regions", () => {
  test.each([
    ["any", "eu-west-1", true],
    ["us", "us-east-1", true],
    ["us-east-1", "us", true],
    ["us-east-1", "us-*", true],
    ["us-east-1", "us-west-2", false],
    ["us", "eu-*", false],
    ["us", "usa", false],
  ])("a price of %s for %s: %s", (region, wanted, fitting) => {
    expect(isOfRegion({ region }, wanted)).toBe(fitting);
  });

  test("a region without a price is an error that says where there is one", () => {
    const ask = (region: string) =>
      findPrice(shipped, {
        resource: "gpu_hour",
        placement: "cloud",
        products: ["L4"],
        currency: "USD",
        now,
        region,
      });
    expect(ask("us").records).toEqual(["gpu-l4-aws-2026", "gpu-l4-gcp-2026"]);
    try {
      ask("eu-west-1");
      expect.unreachable();
    } catch (error) {
      expect(isPortolanError(error) && error.detail).toContain("in eu-west-1; it has it for us");
    }
  });
});

describe("one's own file", () => {
  test("replaces what it names, and its price stands alone", () => {
    const book = mergePriceBooks([shipped, own(base)]);
    const chosen = choosePrice(book, {
      resource: "gpu_hour",
      placement: "cloud",
      products: ["H100"],
      currency: "USD",
      now,
    });
    expect(chosen.records).toEqual(["our-h100"]);
  });

  test("in another currency without a rate is found as a mix, and with one it is not", () => {
    const line = base.replace("USD", "EUR");
    const kinds = (book: PriceBook) =>
      reviewPrices(mergePriceBooks([shipped, book]), now).map(({ kind }) => kind);
    expect(kinds(own(line))).toContain("currency_mix");
    const rate = "exchange: [{ from: USD, to: EUR, rate: '0.9', asOf: 2026-05-29, source: own bank }]\n";
    expect(kinds(own(line, rate))).not.toContain("currency_mix");
  });

  test.each([
    ["a price as a number", base.replace('"2"', "2"), "as text"],
    ["a day that is none", base.replace("2026-05-01", "2026-02-30"), "2026-05-01"],
    ["low above price", `${base}, low: "3"`, "at most price"],
    ["an assumed price without why", base.replace("confidence: own", "confidence: assumed"), "why"],
    ["a way to pay that is none", `${base}, pricing: lease`, "price list"],
    ["a word that is none", `${base}, vendor: x`, "price list"],
    ["a GPU of no model", base.replace("product: H100, ", ""), "product"],
    ["itself as its conflict", `${base}, conflictsWith: [our-h100]`, "other record"],
  ])("with %s is refused at its line, with a mend", (_, line, mend) => {
    const [first] = faultsOf(`# ours\nrecords:\n  - { ${line} }\n`);
    expect(first?.at?.line).toBe(3);
    expect(first?.mend).toContain(mend);
  });

  test("names each fault of a file, not the first alone", () => {
    const twice = `records:\n  - { ${base} }\n  - { ${base.replace("2026-05-01", "2026-13-01")} }\n`;
    expect(faultsOf(twice).map(({ at }) => at?.line)).toEqual([3, 3]);
    expect(
      faultsOf(
        "exchange: [{ from: USD, to: EUR, rate: '0', asOf: 2026-05-29, source: own bank }]\nrecords: []\n",
      ).length,
    ).toBe(1);
  });
});

describe("prices of one thing in two currencies", () => {
  const euros = base.replace("USD", "EUR").replace("confidence: own", "confidence: catalog");
  const rate = "exchange: [{ from: EUR, to: USD, rate: '1.5', asOf: 2026-05-29, source: own bank }]\n";
  const dollars = own(
    base.replace("our-h100", "other-h100").replace("confidence: own", "confidence: catalog"),
  );
  const ask = (book: PriceBook) =>
    choosePrice(book, { resource: "gpu_hour", placement: "cloud", products: ["H100"], currency: "USD", now });

  test("are put in order once they are converted", () => {
    const { price } = ask(mergePriceBooks([dollars, own(euros, rate)]));
    expect([price.low, price.high].map(({ nanos, currency }) => `${nanos} ${currency}`)).toEqual([
      "2000000000 USD",
      "3000000000 USD",
    ]);
  });

  test("are an error that names the rate where none is stated", () => {
    expect(() => ask(mergePriceBooks([dollars, own(euros)]))).toThrow("planner.price_missing");
  });
});

describe("filters", () => {
  test("stale, conflicting and certified prices are found, and the rest is what they leave", () => {
    const all = searchPrices(shipped, {}, now).length;
    for (const name of ["isStale", "isConflicting"] as const) {
      const on = searchPrices(shipped, { [name]: true }, now).length;
      const off = searchPrices(shipped, { [name]: false }, now).length;
      expect(on).toBeGreaterThan(0);
      expect(on + off).toBe(all);
    }
    const certified = searchPrices(shipped, { certification: "hipaa_baa" }, now).map(
      ({ service }) => service,
    );
    expect(new Set(certified)).toEqual(new Set(["aws", "gcp", "azure"]));
  });
});

describe("what a seller lacks", () => {
  const lambda = shipped.records.find(({ id }) => id === "gpu-h100-lambda-2026");
  const aws = shipped.records.find(({ id }) => id === "gpu-h100-aws-2026");
  test("is all that no source supports", () => {
    expect(lambda && lackingOf(shipped, lambda, { certifications: ["hipaa_baa", "soc2"] })).toEqual([
      "HIPAA business associate agreement",
      "SOC 2",
    ]);
    expect(aws && lackingOf(shipped, aws, { certifications: ["hipaa_baa"], availability: 0.9999 })).toEqual(
      [],
    );
    expect(aws && lackingOf(shipped, aws, { certifications: [], availability: 0.99999 })).toEqual([
      "99.999 % availability",
    ]);
    expect(lambda && lackingOf(shipped, lambda, { certifications: [], availability: 0.99 })).toEqual([
      "99 % availability",
    ]);
  });

  test("of several sellers is what none has together, and beside an availability the most that one promises", () => {
    const both = [lambda, aws].filter((record) => record !== undefined);
    const text = (records: typeof both, certifications: readonly Certification[], availability: number) =>
      whatNoneHas(shipped, records, { certifications, availability });
    // Lambda states no availability, AWS 99.99 % (the shipped price file).
    expect(text(both, [], 0.99995)).toBe("99.995 % availability (the most that one promises is 99.99 %)");
    expect(text(both.slice(0, 1), [], 0.9)).toBe("90 % availability (none promises any)");
    const bare = both.map((record) => ({ ...record, certifications: [] }));
    expect(text(bare, ["fedramp", "soc2"], 0.99)).toBe("FedRAMP, SOC 2 and 99 % availability");
    expect(text(bare.slice(1), ["fedramp", "soc2"], 0.99)).toBe("FedRAMP and SOC 2");
    const asked = { certifications: ["soc2"] } as const;
    expect(whatNoneHas(shipped, bare, asked)).toBe("SOC 2");
  });

  test("takes its cloud price out of the book and leaves the same record on own machines", () => {
    const left = eligibleBook(shipped, { certifications: ["hipaa_baa"] });
    expect(left.records.some(({ id }) => id === "gpu-h100-lambda-2026")).toBe(false);
    const bare = mergePriceBooks([{ records: shipped.records, exchange: [] }]);
    const cores = eligibleBook(bare, { certifications: ["soc2"] }).records.find(
      ({ id }) => id === "cpu-opencost-default",
    );
    expect(cores?.placements).toEqual(["on_prem", "local", "edge"]);
  });
});
