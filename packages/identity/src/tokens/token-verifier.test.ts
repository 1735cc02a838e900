import { createHmac, sign } from "node:crypto";
import { asEpochMicros } from "@portolan/kernel";
import { describe, expect, test } from "vitest";
import {
  attacker,
  b64,
  clock,
  craft,
  ed,
  goodClaims,
  issuer,
  jwk,
  nowSeconds,
  p256,
  p384,
  reasonOf,
  rsa,
  smallRsa,
  verify,
  withClaims,
  withHeader,
} from "./crafted-tokens.ts";
import { createTokenVerifier } from "./token-verifier.ts";
import type { JsonWebKeySet, TrustedIssuer } from "./trusted-issuer.ts";

describe("a sound token is accepted", () => {
  test("RS256, and its claims come through", async () => {
    expect(await verify(craft())).toEqual({
      kind: "verified",
      token: {
        issuer: "https://login.example",
        organisationId: "org_1",
        subject: "ada",
        tokenId: "t1",
        issuedAt: (nowSeconds - 10) * 1e6,
        expiresAt: (nowSeconds + 600) * 1e6,
        environments: ["dev", "staging"],
      },
    });
  });
  test("ES256", async () => {
    const header = { alg: "ES256", kid: "ec-1", typ: "at+jwt" };
    expect(await reasonOf(craft({ header, key: p256.privateKey }))).toBe("verified");
  });
  test("ES384", async () => {
    const header = { alg: "ES384", kid: "ec-384", typ: "at+jwt" };
    expect(await reasonOf(craft({ header, key: p384.privateKey, digest: "sha384" }))).toBe("verified");
  });
  test("EdDSA", async () => {
    const header = { alg: "EdDSA", kid: "ed-1", typ: "application/at+jwt" };
    expect(await reasonOf(craft({ header, key: ed.privateKey, digest: null }))).toBe("verified");
  });
  test("without a key id, when one key alone fits", async () => {
    const header = { alg: "ES384", typ: "at+jwt" };
    expect(await reasonOf(craft({ header, key: p384.privateKey, digest: "sha384" }))).toBe("verified");
  });
  test("inside the clock skew of a minute", async () => {
    expect(await reasonOf(withClaims({ iat: nowSeconds - 600, exp: nowSeconds - 59 }))).toBe("verified");
    expect(await reasonOf(withClaims({ nbf: nowSeconds + 59, iat: nowSeconds + 59 }))).toBe("verified");
  });
});

describe("algorithm attacks are refused (RFC 8725 §3.1, §3.2)", () => {
  test.each(["none", "None", "NONE", "nOnE", "none ", ""])("alg %j", async (alg) => {
    const header = { alg, kid: "rsa-1", typ: "at+jwt" };
    expect(await reasonOf(craft({ header }))).toBe("algorithm");
  });
  test("alg none with an empty signature is not even a token", async () => {
    const text = `${b64(JSON.stringify({ alg: "none", typ: "at+jwt" }))}.${b64(JSON.stringify(goodClaims))}.`;
    expect(await reasonOf(text)).toBe("not_compact");
  });
  test.each(["HS256", "hs256", "HS384", "HS512", "Hs256"])(
    "key confusion: %s over the public RSA key in PEM",
    async (alg) => {
      const pem = rsa.publicKey.export({ type: "spki", format: "pem" });
      const signature = (input: string): Uint8Array => createHmac("sha256", pem).update(input).digest();
      expect(await reasonOf(craft({ header: { alg, kid: "rsa-1", typ: "at+jwt" }, signature }))).toBe(
        "algorithm",
      );
    },
  );
  test("key confusion: HS256 with a symmetric key that the issuer published by mistake", async () => {
    const signature = (input: string): Uint8Array =>
      createHmac("sha256", "shared secret").update(input).digest();
    expect(await reasonOf(craft({ header: { alg: "HS256", kid: "shared", typ: "at+jwt" }, signature }))).toBe(
      "algorithm",
    );
  });
  test("an asymmetric name on a symmetric key", async () => {
    const signature = (input: string): Uint8Array =>
      createHmac("sha256", "shared secret").update(input).digest();
    expect(await reasonOf(craft({ header: { alg: "RS256", kid: "shared", typ: "at+jwt" }, signature }))).toBe(
      "unknown_key",
    );
  });
  test.each(["rs256", "RS256 ", "RS1", "ES521", "ES256K", "RSA-OAEP", "dir", "PBES2-HS256+A128KW"])(
    "the unlisted spelling %j",
    async (alg) => {
      expect(await reasonOf(withHeader({ alg }))).toBe("algorithm");
    },
  );
  test.each([[["RS256"]], [{}], [null], [256], [true]])("alg %j, which is no text", async (alg) => {
    expect(await reasonOf(withHeader({ alg }))).toBe("algorithm");
  });
  test("an algorithm that this issuer is not pinned to, though the key could", async () => {
    expect(await reasonOf(craft(), { ...issuer, algorithms: ["ES256"] })).toBe("algorithm");
  });
  test("PS256 with a signature made as RS256", async () => {
    expect(await reasonOf(withHeader({ alg: "PS256" }))).toBe("signature");
  });
  test("ES256 on a P-384 key", async () => {
    const header = { alg: "ES256", kid: "ec-384", typ: "at+jwt" };
    expect(await reasonOf(craft({ header, key: p384.privateKey }))).toBe("unknown_key");
  });
  test("a key for encryption", async () => {
    expect(await reasonOf(withHeader({ kid: "encryption-only" }))).toBe("unknown_key");
  });
  test("an RSA key under 2048 bits (§3.5: key entropy)", async () => {
    const header = { alg: "RS256", kid: "small", typ: "at+jwt" };
    expect(await reasonOf(craft({ header, key: smallRsa.privateKey }))).toBe("weak_key");
  });
});

describe("what would be refused anyway costs no signature", () => {
  const forged = { key: attacker.privateKey };
  test("an expired token is refused as expired, whoever signed it", async () => {
    const old = { ...goodClaims, iat: nowSeconds - 1000, exp: nowSeconds - 100 };
    expect(await reasonOf(craft({ ...forged, claims: old }))).toBe("expired");
  });
  test("so are one of an unknown issuer and one of an unknown key", async () => {
    expect(await reasonOf(craft({ ...forged, claims: { ...goodClaims, iss: "https://x" } }))).toBe(
      "unknown_issuer",
    );
    expect(await reasonOf(craft({ ...forged, header: { alg: "RS256", kid: "?", typ: "at+jwt" } }))).toBe(
      "unknown_key",
    );
  });
  test("a verified token is remembered until it ends or the revocation epoch changes, a refused one never", async () => {
    let epoch = 1;
    let now = nowSeconds;
    const verifier = createTokenVerifier({
      issuers: () => [issuer],
      clock: { ...clock, now: () => asEpochMicros(now * 1e6) },
      revocationEpoch: () => epoch,
    });
    const [good, bad] = [craft(), craft(forged)];
    expect([verifier.remembers(good), verifier.remembers(bad)]).toEqual([false, false]);
    await verifier.verify(good);
    await verifier.verify(bad);
    expect([verifier.remembers(good), verifier.remembers(bad)]).toEqual([true, false]);
    epoch = 2;
    expect(verifier.remembers(good)).toBe(false);
    await verifier.verify(good);
    expect(verifier.remembers(good)).toBe(true);
    now += 661;
    expect(verifier.remembers(good)).toBe(false);
  });
});

describe("signature attacks are refused (§3.3)", () => {
  test("another key under a known id", async () => {
    expect(await reasonOf(craft({ key: attacker.privateKey }))).toBe("signature");
  });
  test("changed claims", async () => {
    const [header, , signature] = craft().split(".");
    const claims = b64(JSON.stringify({ ...goodClaims, sub: "root" }));
    expect(await reasonOf(`${header ?? ""}.${claims}.${signature ?? ""}`)).toBe("signature");
  });
  test("a signature of zeros (CVE-2022-21449, psychic signatures)", async () => {
    const header = { alg: "ES256", kid: "ec-1", typ: "at+jwt" };
    expect(await reasonOf(craft({ header, signature: () => new Uint8Array(64) }))).toBe("signature");
  });
  test("an ECDSA signature in DER", async () => {
    const header = { alg: "ES256", kid: "ec-1", typ: "at+jwt" };
    const signature = (input: string): Uint8Array => sign("sha256", Buffer.from(input), p256.privateKey);
    expect(await reasonOf(craft({ header, signature }))).toBe("signature");
  });
  test("a truncated signature", async () => {
    expect(await reasonOf(craft().slice(0, -42))).toBe("signature");
  });
  test("every flipped bit of the signature's first bytes", async () => {
    const [header = "", claims = "", signature = ""] = craft().split(".");
    for (let bit = 0; bit < 16; bit++) {
      const bytes = Buffer.from(signature, "base64url");
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(await reasonOf(`${header}.${claims}.${b64(bytes)}`)).toBe("signature");
    }
  });
});

describe("the header cannot bring or name a key of the attacker's (§3.10)", () => {
  test.each([
    ["jwk", jwk(attacker.publicKey, {})],
    ["jku", "https://attacker.example/jwks.json"],
    ["jku", "http://169.254.169.254/latest/meta-data"],
    ["x5u", "https://attacker.example/cert.pem"],
    ["x5c", ["MIIB"]],
    ["crit", ["exp"]],
    ["crit", []],
    ["b64", false],
    ["zip", "DEF"],
    ["enc", "A128GCM"],
    ["p2c", 2_147_483_647],
  ])("%s", async (name, value) => {
    expect(
      await reasonOf(craft({ header: { alg: "RS256", kid: "rsa-1", typ: "at+jwt", [name]: value } })),
    ).toBe("bad_header");
  });
  test.each([
    "../../../../dev/null",
    "rsa-1' OR '1'='1",
    "x'; DROP TABLE signing_keys; --",
    "/proc/self/environ",
    "rsa-1\u0000",
    "RSA-1",
    "rsa-1 ",
    "__proto__",
    "constructor",
    "https://attacker.example/key",
    "| id",
  ])("kid %j is an opaque name that no key has", async (kid) => {
    expect(await reasonOf(withHeader({ kid }))).toBe("unknown_key");
  });
  test.each([[{ $ne: "" }], [["rsa-1"]], [1], [null], [""], ["k".repeat(300)]])(
    "kid %j is no short text",
    async (kid) => {
      expect(await reasonOf(withHeader({ kid }))).toBe("bad_header");
    },
  );
  test("a missing kid, when several keys fit", async () => {
    const twins: JsonWebKeySet = {
      keys: [jwk(rsa.publicKey, { kid: "a" }), jwk(attacker.publicKey, { kid: "b" })],
    };
    const text = craft({ header: { alg: "RS256", typ: "at+jwt" } });
    expect(await reasonOf(text, { ...issuer, jwks: twins })).toBe("ambiguous_key");
  });
  test("a published key with its private half", async () => {
    const leaked: JsonWebKeySet = { keys: [jwk(rsa.privateKey, { kid: "rsa-1" })] };
    expect(await reasonOf(craft(), { ...issuer, jwks: leaked })).toBe("unknown_key");
  });
});

describe("token kinds exclude each other (§3.11, §3.12)", () => {
  test.each(["JWT", "jwt", "secevent+jwt", "logout+jwt", "at+jwt ", "dpop+jwt"])("typ %j", async (typ) => {
    expect(await reasonOf(withHeader({ typ }))).toBe("type");
  });
  test("a missing typ", async () => {
    expect(await reasonOf(craft({ header: { alg: "RS256", kid: "rsa-1" } }))).toBe("type");
  });
  test("a typ that is no text", async () => {
    expect(await reasonOf(withHeader({ typ: ["at+jwt"] }))).toBe("bad_header");
  });
  test("a nested token", async () => {
    expect(await reasonOf(withHeader({ cty: "JWT" }))).toBe("bad_header");
  });
  test.each(["nonce", "at_hash", "c_hash"])(
    "an ID token, seen by %s, at an issuer without typ",
    async (name) => {
      const lenient: TrustedIssuer = { ...issuer, tokenType: "JWT" };
      const header = { alg: "RS256", kid: "rsa-1", typ: "JWT" };
      expect(await reasonOf(craft({ header }), lenient)).toBe("verified");
      expect(await reasonOf(craft({ header, claims: { ...goodClaims, [name]: "x" } }), lenient)).toBe(
        "id_token",
      );
    },
  );
});
