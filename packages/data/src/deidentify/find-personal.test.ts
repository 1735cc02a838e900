import { expect, test } from "vitest";
import { findPersonalForms } from "./find-personal.ts";

test.each([
  ["write to jane.doe@example.com", ["e-mail address"]],
  ["her number is 123-45-6789", ["social security number"]],
  ["000-45-6789 is none", []],
  ["call (415) 555-0132 today", ["telephone number"]],
  ["IBAN DE89 3704 0044 0532 0130 00", ["IBAN"]],
  ["IBAN DE88 3704 0044 0532 0130 00", []],
  ["card 4111 1111 1111 1111", ["payment card number"]],
  ["card 4111 1111 1111 1112", []],
  ["from 192.168.0.17", ["IPv4 address"]],
  ["see https://example.com/help, version 1.2.3, order 12345", []],
  ["a@b.de and c@d.de", ["e-mail address"]],
])("%j holds %j", (text, forms) => {
  expect(findPersonalForms(text)).toEqual(forms);
});

test("a long run of an address's characters is read in one go", () => {
  const text = "a".repeat(2 ** 20);
  expect(findPersonalForms(text)).toEqual([]);
  expect(findPersonalForms(`${text}@example.com`)).toEqual(["e-mail address"]);
});
