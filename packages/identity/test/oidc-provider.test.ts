import { generateKeyPairSync } from "node:crypto";
import { createServer, type Server } from "node:http";
import { asEpochMicros, type Clock, readAddressRules, systemClock } from "@portolan/kernel";
import Provider from "oidc-provider";
import { afterEach, describe, expect, test } from "vitest";
import { createJwksFetcher } from "../src/index.ts";
import { createTokenVerifier } from "../src/policy.ts";
import type { TrustedIssuer } from "../src/tokens/trusted-issuer.ts";

const fetchJwks = createJwksFetcher(readAddressRules(undefined, true));
const audience = "https://portolan.example/api";
type Algorithm = "RS256" | "ES256" | "EdDSA";

function privateJwk(algorithm: Algorithm, kid: string): Record<string, unknown> {
  const made = {
    RS256: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
    ES256: () => generateKeyPairSync("ec", { namedCurve: "P-256" }),
    EdDSA: () => generateKeyPairSync("ed25519"),
  }[algorithm]();
  return { ...made.privateKey.export({ format: "jwk" }), kid, use: "sig", alg: algorithm };
}

let server: Server | undefined;
let address = "";
let jwksRequests = 0;
let handler: ReturnType<Provider["callback"]>;

/** A real OpenID provider behind one address; called again it comes back with other keys, as after a rotation. */
async function serve(keys: Record<string, unknown>[], algorithm: Algorithm): Promise<string> {
  if (!server) {
    server = createServer((request, response) => {
      if (request.url === "/jwks") jwksRequests++;
      void handler(request, response);
    });
    await new Promise<void>((resolve) => server?.listen(0, "127.0.0.1", resolve));
    const bound = server.address();
    address = `http://127.0.0.1:${String(typeof bound === "object" && bound ? bound.port : 0)}`;
  }
  const provider = new Provider(address, {
    clients: [
      {
        client_id: "pipeline",
        client_secret: "not-a-real-secret-but-long-enough-for-tests",
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: [],
        id_token_signed_response_alg: algorithm,
      },
    ],
    jwks: { keys },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audience,
        getResourceServerInfo: () => ({
          scope: "predict",
          audience,
          accessTokenTTL: 600,
          accessTokenFormat: "jwt",
          jwt: { sign: { alg: algorithm } },
        }),
      },
    },
  });
  handler = provider.callback();
  return address;
}

async function clientToken(issuer: string): Promise<string> {
  const response = await fetch(`${issuer}/token`, {
    method: "POST",
    headers: {
      authorization: `Basic ${Buffer.from("pipeline:not-a-real-secret-but-long-enough-for-tests").toString("base64")}`,
      "content-type": "application/x-www-form-urlencoded",
    },
    body: new URLSearchParams({ grant_type: "client_credentials", resource: audience, scope: "predict" }),
  });
  const document = (await response.json()) as { access_token?: string };
  if (document.access_token === undefined) throw new Error(JSON.stringify(document));
  return document.access_token;
}

function trusted(issuer: string, algorithms: Algorithm[]): TrustedIssuer {
  return {
    issuer,
    organisationId: "org_1",
    audiences: [audience],
    algorithms,
    tokenType: "at+jwt",
    jwksUri: `${issuer}/jwks`,
    subjectClaim: "client_id",
    environments: ["staging"],
  };
}

afterEach(async () => {
  await new Promise((resolve) => server?.close(resolve) ?? resolve(undefined));
  server = undefined;
  jwksRequests = 0;
});

describe("access tokens of a real OpenID provider", () => {
  test.each(["RS256", "ES256", "EdDSA"] as const)("signed with %s are accepted", async (algorithm) => {
    const issuer = await serve([privateJwk(algorithm, "k1")], algorithm);
    const verifier = createTokenVerifier({
      issuers: () => [trusted(issuer, [algorithm])],
      clock: systemClock,
      fetchJwks,
    });
    expect(await verifier.verify(await clientToken(issuer))).toMatchObject({
      kind: "verified",
      token: { issuer, subject: "pipeline", environments: ["staging"] },
    });
  });

  test("are refused for another audience, and when the issuer is pinned to another algorithm", async () => {
    const issuer = await serve([privateJwk("ES256", "k1")], "ES256");
    const token = await clientToken(issuer);
    const reason = async (change: Partial<TrustedIssuer>): Promise<unknown> => {
      const issuers = [{ ...trusted(issuer, ["ES256"]), ...change }];
      return createTokenVerifier({ issuers: () => issuers, clock: systemClock, fetchJwks }).verify(token);
    };
    expect(await reason({ audiences: ["https://other.example"] })).toMatchObject({ reason: "audience" });
    expect(await reason({ algorithms: ["RS256"] })).toMatchObject({ reason: "algorithm" });
    expect(await reason({})).toMatchObject({ kind: "verified" });
  });

  test("survive a rotation of the provider's keys; made-up keys do not flood the provider", async () => {
    let ahead = 0;
    const clock: Clock = {
      now: () => asEpochMicros(systemClock.now() + ahead),
      monotonicNanos: () => systemClock.monotonicNanos(),
    };
    const first = privateJwk("ES256", "k1");
    const issuer = await serve([first], "ES256");
    const verifier = createTokenVerifier({ issuers: () => [trusted(issuer, ["ES256"])], clock, fetchJwks });
    const old = await clientToken(issuer);
    expect((await verifier.verify(old)).kind).toBe("verified");

    await serve([privateJwk("ES256", "k2"), first], "ES256");
    ahead = 61_000_000;
    const fresh = await clientToken(issuer);
    expect((await verifier.verify(fresh)).kind).toBe("verified");
    expect((await verifier.verify(old)).kind).toBe("verified");
    expect(jwksRequests).toBe(2);

    const [, claims = "", signature = ""] = fresh.split(".");
    for (let i = 0; i < 50; i++) {
      const header = { alg: "ES256", typ: "at+jwt", kid: `made-up-${String(i)}` };
      const forged = `${Buffer.from(JSON.stringify(header)).toString("base64url")}.${claims}.${signature}`;
      expect(await verifier.verify(forged)).toMatchObject({ reason: "unknown_key" });
    }
    expect(jwksRequests).toBe(2);
  });
});
