import { expect, test } from "vitest";
import { findSecretForms } from "./secret-forms.ts";

// None of them was ever issued.
test.each([
  [`key AKIA${"Q".repeat(16)}`, ["an access key of AWS"]],
  [`ghp_${"a1".repeat(18)}`, ["a token of GitHub"]],
  ["-----BEGIN EC PRIVATE KEY-----", ["a private key"]],
  ["postgres://app:hunter22@db.internal/x", ["a password in an address"]],
  ["postgres://app@db.internal/x", []],
  ["the secret is kept", []],
])("%j holds %j", (text, forms) => {
  expect(findSecretForms(text)).toEqual(forms);
});
