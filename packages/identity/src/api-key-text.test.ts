import { asEpochMicros, newId } from "@portolan/kernel";
import { describe, expect, test } from "vitest";
import { mintApiKey, parseApiKey, type StoredApiKey, verifyApiKey } from "./api-key-text.ts";

const now = asEpochMicros(1_790_000_000_000_000);
const keyId = newId("apiKey", now);
const minted = mintApiKey(keyId, "staging");
const stored: StoredApiKey = {
  id: keyId,
  secretSha256: minted.sha256,
  principalId: "sa_1",
  environment: "staging",
  scopes: ["serving:predict"],
  expiresAt: now + 1000,
};
const check = (text: string, key: StoredApiKey | undefined = stored, at = now) =>
  verifyApiKey(text, (id) => (id === keyId ? key : undefined), at);

describe("API keys", () => {
  test("the text has the documented form and holds 256 bits of secret", () => {
    expect(minted.text).toMatch(/^ptk_staging_[0-9a-z]{26}_[A-Za-z0-9_-]{43}$/);
    expect(Buffer.from(parseApiKey(minted.text)?.secret ?? "", "base64url")).toHaveLength(32);
  });
  test("a good key gives its principal, environment and scopes", () => {
    expect(check(minted.text)).toEqual({
      kind: "verified",
      keyId,
      principalId: "sa_1",
      environment: "staging",
      scopes: ["serving:predict"],
    });
  });
  test("what is stored does not contain the secret", () => {
    expect(JSON.stringify(stored)).not.toContain(parseApiKey(minted.text)?.secret ?? "nothing");
  });
  test("every changed character of the secret is refused", () => {
    for (let at = minted.text.length - 43; at < minted.text.length; at++) {
      const other = minted.text[at] === "A" ? "B" : "A";
      const text = minted.text.slice(0, at) + other + minted.text.slice(at + 1);
      expect(check(text)).toEqual({ kind: "refused", reason: "wrong_secret" });
    }
  });
  test("renaming the environment in the text does not move the key", () => {
    const text = minted.text.replace("ptk_staging_", "ptk_production_");
    expect(check(text)).toEqual({ kind: "refused", reason: "wrong_environment" });
  });
  test("the state of a key is told only to who holds its secret", () => {
    const wrong = mintApiKey(keyId, "staging").text;
    expect(check(wrong, { ...stored, revokedAt: 1 })).toEqual({ kind: "refused", reason: "wrong_secret" });
  });
  test("expiry and revocation hold from their instant on", () => {
    expect(check(minted.text, stored, asEpochMicros(now + 999)).kind).toBe("verified");
    expect(check(minted.text, stored, asEpochMicros(now + 1000))).toEqual({
      kind: "refused",
      reason: "expired",
    });
    expect(check(minted.text, { ...stored, revokedAt: now })).toEqual({ kind: "refused", reason: "revoked" });
  });
  test("an unknown key is refused", () => {
    expect(verifyApiKey(minted.text, () => undefined, now)).toEqual({ kind: "refused", reason: "unknown" });
  });
  test.each(["", "ptk_", "ptk_prod_x_y", `${minted.text} `, `${minted.text}A`, minted.text.toUpperCase()])(
    "%j is malformed",
    (text) => {
      expect(check(text)).toEqual({ kind: "refused", reason: "malformed" });
    },
  );
});
