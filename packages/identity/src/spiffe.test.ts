import { describe, expect, test } from "vitest";
import { isTrustDomain, parseSpiffeId, spiffeIssuer } from "./spiffe.ts";

describe("SPIFFE ids are read as the standard has them (SPIFFE-ID §2)", () => {
  test.each(["spiffe://example.org/ns/prod/sa/web", "spiffe://a/b", "spiffe://a.b-c_d.1/X.y-z_9"])(
    "%s",
    (text) => {
      expect(parseSpiffeId(text)?.text).toBe(text);
    },
  );
  test.each([
    "spiffe://example.org",
    "spiffe://example.org/",
    "spiffe://example.org/a/",
    "spiffe://example.org//a",
    "spiffe://example.org/./a",
    "spiffe://example.org/a/..",
    "spiffe://Example.org/a",
    "SPIFFE://example.org/a",
    "spiffe://example.org:8443/a",
    "spiffe://user@example.org/a",
    "spiffe://example.org/a?x=1",
    "spiffe://example.org/a#b",
    "spiffe://example.org/%61",
    "spiffe://example.org/ä",
    "spiffe:///a",
    "https://example.org/a",
    `spiffe://example.org/${"a".repeat(2048)}`,
  ])("not %s", (text) => {
    expect(parseSpiffeId(text)).toBeUndefined();
  });
  test("a trust domain is the issuer of its ids", () => {
    expect(spiffeIssuer(parseSpiffeId("spiffe://example.org/a")?.trustDomain ?? "")).toBe(
      "spiffe://example.org",
    );
    expect([
      isTrustDomain("example.org"),
      isTrustDomain("Example.org"),
      isTrustDomain("a/b"),
      isTrustDomain(""),
    ]).toEqual([true, false, false, false]);
  });
});
