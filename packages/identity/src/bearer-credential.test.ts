import { maxCredentialLength } from "@portolan/kernel";
import { expect, test } from "vitest";
import { bearerCredential } from "./bearer-credential.ts";
import { parseCompactToken } from "./tokens/compact-token.ts";

test("header and token have one limit: what the header lets through the token reader looks at", () => {
  const longest = "x".repeat(maxCredentialLength);
  expect(bearerCredential(`Bearer ${longest}`)).toBe(longest);
  expect(parseCompactToken(longest)).toMatchObject({ reason: "not_compact" });
  expect(bearerCredential(`Bearer ${longest}x`)).toBeUndefined();
  expect(parseCompactToken(`${longest}x`)).toMatchObject({ reason: "too_large" });
});

test.each([undefined, "", "Bearer", "Bearer a b", "Basic abc", "Bearer a, Bearer b"])(
  "%s carries no credential",
  (header) => expect(bearerCredential(header)).toBeUndefined(),
);
