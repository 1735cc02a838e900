import { type KeyObject } from "node:crypto";
import { type EpochMicros } from "@portolan/kernel";
import { describe, expect, test } from "vitest";
import {
  attacker,
  b64,
  clock,
  craft,
  goodClaims,
  issuer,
  jwk,
  nowSeconds,
  reasonOf,
  rsa,
  verify,
  withClaims,
} from "./crafted-tokens.ts";
import { createIssuerKeys, type KeyMemory, type KnownKeys } from "./issuer-keys.ts";
import { createTokenVerifier } from "./token-verifier.ts";
import type { JsonWebKeySet, TrustedIssuer } from "./trusted-issuer.ts";

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

describe("one issuer and audience in several organisations", () => {
  const theirs = { ...issuer, organisationId: "org_2" };
  const verifyAt = (issuers: TrustedIssuer[], members: readonly string[] = []) =>
    createTokenVerifier({
      issuers: () => issuers,
      clock,
      isMember: async ({ organisationId }) => members.includes(organisationId),
    }).verify(craft());
  const organisationOf = async (...args: Parameters<typeof verifyAt>) => {
    const verdict = await verifyAt(...args);
    return verdict.kind === "verified" ? verdict.token.organisationId : verdict.reason;
  };
  test("another organisation's keys under the same name shut nobody out, and let nobody in", async () => {
    const foreign = { ...theirs, jwks: { keys: [jwk(attacker.publicKey, { kid: "rsa-1" })] } };
    expect(await organisationOf([issuer, foreign])).toBe(issuer.organisationId);
    expect(await organisationOf([foreign, issuer])).toBe(issuer.organisationId);
    expect(await organisationOf([foreign])).toBe("signature");
    expect(await organisationOf([{ ...theirs, jwks: { keys: [] } }, issuer])).toBe(issuer.organisationId);
  });
  test("a shared provider's token counts where its subject is known, else where it was trusted first", async () => {
    expect(await organisationOf([theirs, issuer], [issuer.organisationId])).toBe(issuer.organisationId);
    expect(await organisationOf([issuer, theirs], [issuer.organisationId, "org_2"])).toBe(
      issuer.organisationId,
    );
    expect(await organisationOf([issuer, theirs])).toBe(issuer.organisationId);
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
  test("a flood of made-up key ids causes one request a minute", { timeout: 60_000 }, async () => {
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
    // Neither does a token that was verified before, and is remembered.
    expect(await reason(signed("old"))).toBe("unknown_key");
  });
  test("the regular refresh shares its keys, keeps them over a restart, and hides no new key", async () => {
    let now = nowSeconds * 1e6;
    const clock = { now: () => now as EpochMicros, monotonicNanos: () => 0n };
    const kept = new Map<string, KnownKeys>();
    const memory: KeyMemory = {
      load: async (uri) => kept.get(uri),
      save: async (uri, known) => void kept.set(uri, known),
    };
    let fetches = 0;
    let set: JsonWebKeySet | undefined = { keys: [jwk(rsa.publicKey, { kid: "old" })] };
    const fetchJwks = async (): Promise<JsonWebKeySet> => {
      fetches++;
      if (!set) throw new Error("unreachable");
      return set;
    };
    const { jwks: _inline, ...rest } = issuer;
    const away: TrustedIssuer = { ...rest, jwksUri: "https://login.example/jwks" };
    const keys = createIssuerKeys(clock, fetchJwks, memory);
    expect(await keys.lastKnown(away)).toBeUndefined();
    await keys.refresh([away, away]);
    await keys.refresh([away]);
    expect(fetches).toBe(1);
    const verifyWith = (text: string, by = keys) =>
      createTokenVerifier({ issuers: () => [away], clock, keys: by }).verify(text);
    set = { keys: [...set.keys, jwk(attacker.publicKey, { kid: "new" })] };
    expect((await verifyWith(signed("new", attacker.privateKey))).kind).toBe("verified");
    expect(fetches).toBe(2);
    // Control starts anew while the provider is away.
    set = undefined;
    now += 3600e6;
    const restarted = createIssuerKeys(clock, fetchJwks, memory);
    expect((await restarted.lastKnown(away))?.fetchedAt).toBe(nowSeconds * 1e6);
    expect((await verifyWith(signed("old"), restarted)).kind).toBe("verified");
    now += 83_000e6;
    expect(await createIssuerKeys(clock, fetchJwks, memory).lastKnown(away)).toBeUndefined();
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
  test("end at once when their key leaves the issuer's set, or the issuer is trusted no more", async () => {
    let trusted: readonly TrustedIssuer[] = [issuer];
    const verifier = createTokenVerifier({ issuers: () => trusted, clock });
    const text = craft();
    expect((await verifier.verify(text)).kind).toBe("verified");
    trusted = [{ ...issuer, jwks: { keys: [] } }];
    expect(await verifier.verify(text)).toMatchObject({ reason: "unknown_key" });
    trusted = [issuer];
    expect((await verifier.verify(text)).kind).toBe("verified");
    trusted = [];
    expect(await verifier.verify(text)).toMatchObject({ reason: "unknown_issuer" });
  });
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
    trusted = { ...issuer, jwks: { keys: [...(issuer.jwks?.keys ?? [])].map((key) => ({ ...key })) } };
    expect((await verifier.verify(text)).kind).toBe("verified");
    revoked = true;
    expect(await verifier.verify(text)).toMatchObject({ reason: "revoked" });
    revoked = false;
    trusted = { ...issuer, jwks: { keys: [] } };
    epoch = 2;
    expect(await verifier.verify(text)).toMatchObject({ reason: "unknown_key" });
    trusted = issuer;
    expect((await verifier.verify(text)).kind).toBe("verified");
    now += 661e6;
    expect(await verifier.verify(text)).toMatchObject({ reason: "expired" });
  });
});
