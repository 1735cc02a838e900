import { describe, expect, test } from "vitest";
import { isIban, isLuhn, isNpi, isSocialSecurityNumber, isVin } from "./checksums.ts";
import { kindOfName, valueForms } from "./identifiers.ts";
import { type ColumnProfile, planColumns } from "./plan.ts";

describe("checksums", () => {
  // Published examples: Luhn's own, ISO 13616's registry, CMS's NPI, 49 CFR 565's worked VIN.
  test.each([
    [isLuhn, "79927398713", "79927398710"],
    [isLuhn, "4111 1111 1111 1111", "4111 1111 1111 1112"],
    [isIban, "GB82 WEST 1234 5698 7654 32", "GB82 WEST 1234 5698 7654 33"],
    [isIban, "DE89370400440532013000", "DE88370400440532013000"],
    [isNpi, "1234567893", "1234567890"],
    [isVin, "1M8GDM9AXKP042788", "1M8GDM9A1KP042788"],
    [isSocialSecurityNumber, "123-45-6789", "666-45-6789"],
  ])("%o tells %s from %s", (check, valid, invalid) => {
    expect([check(valid), check(invalid)]).toEqual([true, false]);
  });
});

test("a column's name says what it holds", () => {
  const cases = {
    patient_id: "record_number",
    MRN: "record_number",
    firstName: "name",
    "Last Name": "name",
    e_mail: "email",
    ZIPCode: "zip",
    dob: "birth_date",
    DateOfBirth: "birth_date",
    admission_date: "date",
    Age: "age",
    homeAddress: "geography",
    insurance_number: "plan_number",
    notes: "free_text",
    glucose: undefined,
    stage: undefined,
    language: undefined,
    percentage: undefined,
    diagnosis: undefined,
  };
  expect(Object.fromEntries(Object.keys(cases).map((name) => [name, kindOfName(name)]))).toEqual(cases);
});

test("forms are found inside of texts, and look-alikes are not", () => {
  const kinds = (text: string) =>
    valueForms
      .filter(({ pattern, check }) => {
        const [find] = new RegExp(pattern).exec(text) ?? [];
        return find !== undefined && (check?.(find) ?? true);
      })
      .map(({ name }) => name);
  expect(kinds("write to jo.doe+x@clinic.example.org today")).toEqual(["e-mail address"]);
  expect(kinds("call (555) 123-4567")).toEqual(["telephone number"]);
  expect(kinds("see https://x.example/p?id=7")).toEqual(["web address"]);
  expect(kinds("10.0.0.256 is none, 10.0.0.25 is")).toEqual(["IPv4 address"]);
  expect(kinds("123-45-6789")).toEqual(["social security number"]);
  expect(kinds("00:1A:2b:3c:4d:5e")).toEqual(["hardware address"]);
  expect(kinds("BP 120/80, dose 12.5 mg, 2026-01-02, room 4")).toEqual([]);
});

describe("what becomes of a column", () => {
  const action = (of: Partial<ColumnProfile> & { readonly name: string }, rules = {}) =>
    planColumns([{ type: "VARCHAR", values: 100, distinct: 10, words: 1, dates: 0, found: [], ...of }], {
      rules,
    })[0];

  test("identifiers go, dates keep their year, ages end at 90, ZIP codes keep three digits", () => {
    expect(action({ name: "surname" })).toMatchObject({ action: "drop", paragraph: "A" });
    expect(action({ name: "zip" })).toMatchObject({ action: "zip3", paragraph: "B" });
    expect(action({ name: "admitted", type: "DATE" })).toMatchObject({ action: "year", paragraph: "C" });
    expect(action({ name: "dob", type: "DATE" })).toMatchObject({ action: "birth_year" });
    expect(action({ name: "age", type: "BIGINT" })).toMatchObject({ action: "age90" });
    expect(action({ name: "seen", dates: 100 })).toMatchObject({ action: "year" });
    // A date that cannot be read has no year.
    expect(action({ name: "dob", dates: 40 })).toMatchObject({ action: "drop" });
    expect(action({ name: "weight", type: "DOUBLE" })).toEqual({
      column: "weight",
      action: "keep",
      because: "nothing points to an identifier",
    });
  });

  test("values, texts and contracts count where the name says nothing", () => {
    const email = { kind: "email", name: "e-mail address", leastShare: 0 } as const;
    const card = { kind: "account", name: "payment card number", leastShare: 0.5 } as const;
    expect(action({ name: "x1", found: [{ form: email, values: 1 }] })).toMatchObject({
      action: "drop",
      paragraph: "F",
    });
    expect(action({ name: "x1", found: [{ form: card, values: 10 }] })?.action).toBe("keep");
    expect(action({ name: "x1", found: [{ form: card, values: 60 }] })?.action).toBe("drop");
    expect(action({ name: "x2", words: 9 })).toMatchObject({ action: "drop", kind: "free_text" });
    expect(action({ name: "x3", distinct: 99 })).toMatchObject({ action: "drop", paragraph: "R" });
    expect(action({ name: "x4", classification: "PII" })).toMatchObject({ action: "drop" });
    expect(action({ name: "x4", classification: "public" })?.action).toBe("keep");
  });

  test("a rule wins, and one that leaves an identifier is warned of", () => {
    expect(action({ name: "surname" }, { surname: "keep" })?.warning).toContain("not de-identified");
    expect(action({ name: "admitted", type: "DATE" }, { admitted: "shift" })?.warning).toContain(
      "no Safe Harbor",
    );
    expect(action({ name: "glucose" }, { glucose: "drop" })).toEqual({
      column: "glucose",
      action: "drop",
      because: "a rule says so",
    });
  });
});
