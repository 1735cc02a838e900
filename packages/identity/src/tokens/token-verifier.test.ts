import { createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { asEpochMicros, type Clock, type EpochMicros } from "@portolan/kernel";
import { describe, expect, test } from "vitest";
import { createTokenVerifier, type TokenVerdict } from "./token-verifier.ts";
import type { JsonWebKeySet, TrustedIssuer } from "./trusted-issuer.ts";

const nowSeconds = 1_790_000_000;
const clock: Clock = { now: () => asEpochMicros(nowSeconds * 1e6), monotonicNanos: () => 0n };

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const smallRsa = generateKeyPairSync("rsa", { modulusLength: 1024 });
const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" });
const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" });
const ed = generateKeyPairSync("ed25519");
const attacker = generateKeyPairSync("rsa", { modulusLength: 2048 });

function jwk(key: KeyObject, members: Record<string, unknown>): Record<string, unknown> {
  return { ...key.export({ format: "jwk" }), ...members };
}

const jwks: JsonWebKeySet = {
  keys: [
    jwk(rsa.publicKey, { kid: "rsa-1", use: "sig" }),
    jwk(p256.publicKey, { kid: "ec-1", alg: "ES256" }),
    jwk(p384.publicKey, { kid: "ec-384" }),
    jwk(ed.publicKey, { kid: "ed-1" }),
    jwk(smallRsa.publicKey, { kid: "small" }),
    { kty: "oct", kid: "shared", k: Buffer.from("shared secret").toString("base64url") },
    jwk(rsa.publicKey, { kid: "encryption-only", use: "enc" }),
  ],
};

const issuer: TrustedIssuer = {
  issuer: "https://login.example",
  organisationId: "org_1",
  audiences: ["portolan"],
  algorithms: ["RS256", "PS256", "ES256", "ES384", "EdDSA"],
  tokenType: "at+jwt",
  jwks,
  subjectClaim: "sub",
  environments: ["dev", "staging"],
};

const goodClaims = {
  iss: "https://login.example",
  aud: "portolan",
  sub: "ada",
  iat: nowSeconds - 10,
  exp: nowSeconds + 600,
  jti: "t1",
};

const b64 = (value: string | Uint8Array): string => Buffer.from(value).toString("base64url");

interface Craft {
  header?: Record<string, unknown> | string;
  claims?: Record<string, unknown> | string;
  key?: KeyObject;
  digest?: string | null;
  signature?: (input: string) => Uint8Array;
}

/** A token signed by hand: any header, any claims, any key. */
function craft(options: Craft = {}): string {
  const header = options.header ?? { alg: "RS256", kid: "rsa-1", typ: "at+jwt" };
  const claims = options.claims ?? goodClaims;
  const text = (part: Record<string, unknown> | string): string =>
    b64(typeof part === "string" ? part : JSON.stringify(part));
  const input = `${text(header)}.${text(claims)}`;
  const key = options.key ?? rsa.privateKey;
  const signature = options.signature
    ? options.signature(input)
    : sign(
        options.digest === undefined ? "sha256" : options.digest,
        Buffer.from(input),
        key.asymmetricKeyType === "ec" ? { key, dsaEncoding: "ieee-p1363" } : key,
      );
  return `${input}.${b64(signature)}`;
}

function verify(text: string, trusted: TrustedIssuer = issuer): Promise<TokenVerdict> {
  return createTokenVerifier({ issuers: () => [trusted], clock }).verify(text);
}

async function reasonOf(text: string, trusted: TrustedIssuer = issuer): Promise<string> {
  const verdict = await verify(text, trusted);
  return verdict.kind === "refused" ? verdict.reason : "verified";
}

const withHeader = (members: Record<string, unknown>): string =>
  craft({ header: { alg: "RS256", kid: "rsa-1", typ: "at+jwt", ...members } });
const withClaims = (members: Record<string, unknown>): string =>
  craft({ claims: { ...goodClaims, ...members } });

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

describe("issuer and audience are compared exactly (§3.8, §3.9)", () => {
  test.each([
    "https://login.example/",
    "http://login.example",
    "https://LOGIN.example",
    "https://login.example.attacker.example",
    "",
    null,
    ["https://login.example"],
    { toString: "https://login.example" },
  ])("iss %j", async (iss) => {
    expect(await reasonOf(withClaims({ iss }))).toBe("unknown_issuer");
  });
  test.each([["other"], ["PORTOLAN"], [["a", "b"]], [[]], [null], [{ portolan: true }], ["portolan "], [0]])(
    "aud %j",
    async (aud) => {
      expect(await reasonOf(withClaims({ aud }))).toBe("audience");
    },
  );
  test("no issuer, no audience", async () => {
    expect(await reasonOf(withClaims({ iss: undefined }))).toBe("unknown_issuer");
    expect(await reasonOf(withClaims({ aud: undefined }))).toBe("audience");
  });
  test("one of several audiences is ours", async () => {
    expect(await reasonOf(withClaims({ aud: ["other", "portolan"] }))).toBe("verified");
  });
  test("one issuer's key does not verify another issuer's name", async () => {
    const other: TrustedIssuer = {
      ...issuer,
      issuer: "https://other.example",
      jwks: { keys: [jwk(attacker.publicKey, { kid: "rsa-1" })] },
    };
    const verifier = createTokenVerifier({ issuers: () => [issuer, other], clock });
    const forged = craft({ key: attacker.privateKey });
    expect(await verifier.verify(forged)).toMatchObject({ kind: "refused", reason: "signature" });
  });
});

describe("times and other claims", () => {
  test("an expired token", async () => {
    expect(await reasonOf(withClaims({ exp: nowSeconds - 60 }))).toBe("expired");
  });
  test("a token for later", async () => {
    expect(await reasonOf(withClaims({ nbf: nowSeconds + 61 }))).toBe("not_yet_valid");
    expect(await reasonOf(withClaims({ iat: nowSeconds + 61, exp: nowSeconds + 100 }))).toBe(
      "issued_in_future",
    );
  });
  test("a token that lives too long", async () => {
    expect(await reasonOf(withClaims({ exp: nowSeconds + 90_000 }))).toBe("lifetime");
  });
  test.each([
    ["exp", undefined],
    ["exp", "9999999999"],
    ["exp", 1e300],
    ["exp", -1],
    ["iat", undefined],
    ["nbf", "0"],
  ])("%s %j", async (name, value) => {
    expect(await reasonOf(withClaims({ [name]: value }))).toBe("claims");
  });
  test.each([[undefined], [""], [7], [["ada"]], ["x".repeat(256)]])("sub %j", async (sub) => {
    expect(await reasonOf(withClaims({ sub }))).toBe("subject");
  });
  test("scopes that are no list grant nothing, they refuse the token", async () => {
    expect(await reasonOf(withClaims({ portolan_scopes: "registry:*" }))).toBe("claims");
  });
  test("an environments claim narrows and never widens the issuer's reach", async () => {
    const narrowed: TrustedIssuer = { ...issuer, environmentsClaim: "env" };
    const reach = async (env: unknown): Promise<unknown> => {
      const verdict = await verify(withClaims({ env }), narrowed);
      return verdict.kind === "verified" ? verdict.token.environments : verdict.reason;
    };
    expect(await reach(["dev", "production"])).toEqual(["dev"]);
    expect(await reach("staging")).toEqual(["staging"]);
    expect(await reach(undefined)).toEqual([]);
  });
});

describe("forms that lenient decoders accept are refused (§3.7 and Wycheproof's false accepts)", () => {
  const good = craft();
  const [header = "", claims = "", signature = ""] = good.split(".");
  test.each([
    ["padding", `${header}=.${claims}.${signature}`],
    ["a space before", ` ${good}`],
    ["a space inside", `${header}. ${claims}.${signature}`],
    ["a line feed after", `${good}\n`],
    ["standard base64", `${header}.${claims}.${signature.slice(0, -2)}+/`],
    ["two parts", `${header}.${claims}`],
    ["four parts", `${good}.x`],
    ["five parts: an encrypted token", `${header}.${claims}.${signature}.x.y`],
    ["empty", ""],
    ["JSON serialisation", JSON.stringify({ protected: header, payload: claims, signature })],
    ["an empty claims part", `${header}..${signature}`],
  ])("%s", async (_what, text) => {
    expect(await reasonOf(text)).toBe("not_compact");
  });
  test("unused bits at the end of a part", async () => {
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const twisted = alphabet[alphabet.indexOf(signature.slice(-1)) + 1] ?? "";
    expect(await reasonOf(`${header}.${claims}.${signature.slice(0, -1)}${twisted}`)).toBe("bad_encoding");
  });
  test("invalid UTF-8", async () => {
    expect(await reasonOf(`${header}.${b64(Buffer.from([0x7b, 0xff, 0x7d]))}.${signature}`)).toBe(
      "bad_encoding",
    );
  });
  test("a byte order mark", async () => {
    expect(await reasonOf(craft({ claims: `\uFEFF${JSON.stringify(goodClaims)}` }))).toBe("bad_json");
  });
  test.each([
    ["duplicate alg", '{"alg":"none","alg":"RS256","kid":"rsa-1","typ":"at+jwt"}'],
    ["duplicate alg in escapes", '{"alg":"RS256","\\u0061lg":"none","kid":"rsa-1","typ":"at+jwt"}'],
    ["an array", "[]"],
    ["a text", '"RS256"'],
    ["nothing", "null"],
    ["not JSON", "{alg:RS256}"],
    ["a trailing comma", '{"alg":"RS256",}'],
    ["two objects", '{"alg":"RS256"}{"alg":"none"}'],
  ])("header: %s", async (_what, text) => {
    expect(await reasonOf(craft({ header: text }))).toBe("bad_json");
  });
  test("duplicate claims", async () => {
    const doubled = JSON.stringify(goodClaims).replace(/}$/, ',"sub":"root"}');
    expect(await reasonOf(craft({ claims: doubled }))).toBe("bad_json");
  });
  test("deep nesting", async () => {
    const deep = `${'{"a":'.repeat(200)}1${"}".repeat(200)}`;
    expect(await reasonOf(craft({ claims: deep }))).toBe("bad_json");
  });
  test("a member named __proto__ changes nothing", async () => {
    const text = craft({ header: '{"__proto__":{"alg":"none"},"alg":"RS256","kid":"rsa-1","typ":"at+jwt"}' });
    expect(await reasonOf(text)).toBe("verified");
    expect(({} as { alg?: string }).alg).toBeUndefined();
  });
  test("too long", async () => {
    expect(await reasonOf(withClaims({ filler: "x".repeat(20_000) }))).toBe("too_large");
  });
});

describe("keys from an address", () => {
  function remote() {
    let now = nowSeconds * 1e6;
    const state = {
      fetches: 0,
      set: { keys: [jwk(rsa.publicKey, { kid: "old" })] } as JsonWebKeySet,
      down: false,
    };
    const uris: string[] = [];
    const { jwks: _inline, ...rest } = issuer;
    const verifier = createTokenVerifier({
      issuers: () => [{ ...rest, jwksUri: "https://login.example/jwks" }],
      clock: { now: () => now as EpochMicros, monotonicNanos: () => 0n },
      fetchJwks: async (uri) => {
        uris.push(uri);
        state.fetches++;
        if (state.down) throw new Error("unreachable");
        return state.set;
      },
    });
    const reason = async (text: string): Promise<string> => {
      const verdict = await verifier.verify(text);
      return verdict.kind === "refused" ? verdict.reason : "verified";
    };
    return { state, uris, reason, advance: (seconds: number) => (now += seconds * 1e6) };
  }
  const signed = (kid: string, key: KeyObject = rsa.privateKey, jti = "j"): string =>
    craft({
      header: { alg: "RS256", kid, typ: "at+jwt" },
      claims: { ...goodClaims, exp: nowSeconds + 80_000, jti },
      key,
    });

  test("a rotated key is found by one fetch", async () => {
    const { state, reason, advance, uris } = remote();
    expect(await reason(signed("old"))).toBe("verified");
    state.set = { keys: [jwk(rsa.publicKey, { kid: "old" }), jwk(attacker.publicKey, { kid: "new" })] };
    advance(61);
    expect(await reason(signed("new", attacker.privateKey))).toBe("verified");
    expect(state.fetches).toBe(2);
    expect(new Set(uris)).toEqual(new Set(["https://login.example/jwks"]));
  });
  test("a flood of made-up key ids causes one request a minute", async () => {
    const { state, reason, advance } = remote();
    for (let i = 0; i < 200; i++) expect(await reason(signed(`made-up-${String(i)}`))).toBe("unknown_key");
    expect(state.fetches).toBe(1);
    advance(61);
    for (let i = 0; i < 200; i++) await reason(signed(`other-${String(i)}`));
    expect(state.fetches).toBe(2);
  });
  test("concurrent first requests share one fetch", async () => {
    const { state, reason } = remote();
    const all = await Promise.all(
      Array.from({ length: 50 }, (_, i) => reason(signed("old", rsa.privateKey, `j${String(i)}`))),
    );
    expect(new Set(all)).toEqual(new Set(["verified"]));
    expect(state.fetches).toBe(1);
  });
  test("a withdrawn key stops verifying within ten minutes", async () => {
    const { state, reason, advance } = remote();
    expect(await reason(signed("old"))).toBe("verified");
    state.set = { keys: [] };
    advance(601);
    expect(await reason(signed("old", rsa.privateKey, "fresh"))).toBe("unknown_key");
  });
  test("the issuer's outage does not become ours, for a day", async () => {
    const { state, reason, advance } = remote();
    expect(await reason(signed("old"))).toBe("verified");
    state.down = true;
    advance(3600);
    expect(await reason(signed("old", rsa.privateKey, "later"))).toBe("verified");
    advance(83_000);
    expect(await reason(signed("old", rsa.privateKey, "much later"))).toBe("no_keys");
  });
});

describe("remembered verifications", () => {
  test("end with the token, with a revocation, and with the revocation epoch", async () => {
    let now = nowSeconds * 1e6;
    let epoch = 1;
    let revoked = false;
    let trusted: TrustedIssuer = issuer;
    const verifier = createTokenVerifier({
      issuers: () => [trusted],
      clock: { now: () => now as EpochMicros, monotonicNanos: () => 0n },
      revocationEpoch: () => epoch,
      isRevoked: () => revoked,
    });
    const text = craft();
    expect((await verifier.verify(text)).kind).toBe("verified");
    trusted = { ...issuer, jwks: { keys: [] } };
    expect((await verifier.verify(text)).kind).toBe("verified");
    revoked = true;
    expect(await verifier.verify(text)).toMatchObject({ reason: "revoked" });
    revoked = false;
    epoch = 2;
    expect(await verifier.verify(text)).toMatchObject({ reason: "unknown_key" });
    trusted = issuer;
    expect((await verifier.verify(text)).kind).toBe("verified");
    now += 661e6;
    expect(await verifier.verify(text)).toMatchObject({ reason: "expired" });
  });
});
