import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { asEpochMicros, readAddressRules } from "@portolan/kernel";
import { aCall } from "@portolan/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  createDecisionMemory,
  createIssuerKeyStore,
  createIssuerKeys,
  createJwksFetcher,
  grantsForSnapshot,
  listTrustedIssuers,
} from "../src/index.ts";
import type { TrustedIssuer } from "../src/tokens/trusted-issuer.ts";
import { bootstrapped, type Installation, openInstallation } from "./installation.ts";

let one: Installation;
let admin: string;

beforeAll(async () => {
  one = await openInstallation();
  expect((await bootstrapped(one)).statusCode).toBe(201);
  admin = (await one.token("ada")).token;
  const rival = { name: "rival", displayName: "Rival", administrator: { name: "eve", displayName: "Eve" } };
  expect((await one.call("POST", "/v1/organisations", admin, rival)).status).toBe(201);
});
afterAll(() => one.close());

const trusting = (change: object = {}) => ({
  issuer: "https://id.acme.example",
  audiences: ["https://portolan.acme.example"],
  algorithms: ["ES256"],
  jwks: { keys: [] },
  environments: ["dev", "production"],
  ...change,
});
const put = async (credential: string, body: object) => {
  const answer = await one.call("PUT", "/v1/oidc-issuers", credential, body);
  return { status: answer.status, ...(answer.body as unknown as { code?: string; detail?: string }) };
};

describe("what changes every environment", () => {
  test("is not done with a credential that stops short of production, nor in a role that does", async () => {
    const deputy = { name: "dan", displayName: "Dan" };
    expect((await one.call("POST", "/v1/users", admin, deputy)).status).toBe(201);
    const me = (await one.call("GET", "/v1/whoami", admin)).body as unknown as { organisationId: string };
    const scope = { kind: "organisation", id: me.organisationId };
    const binding = { principal: "dan", role: "platform_admin", scope, environments: ["dev", "staging"] };
    expect((await one.call("POST", "/v1/role-bindings", admin, binding)).status).toBe(201);
    const devAdmin = (await one.token("ada", ["dev"])).token;
    const devRole = (await one.token("dan")).token;
    for (const credential of [devAdmin, devRole]) {
      const tries = [
        await put(credential, trusting({ environments: ["dev"] })),
        await one.call("PUT", "/v1/policies", credential, { files: [] }),
        await one.call("POST", "/v1/users", credential, { name: "mallory", displayName: "M" }),
        await one.call("POST", "/v1/service-accounts", credential, { name: "robot", displayName: "R" }),
        await one.call("POST", "/v1/business-units", credential, { name: "unit", displayName: "U" }),
        await one.call("POST", "/v1/signing-keys/rotate/model", credential),
      ];
      expect(tries.map(({ status }) => status)).toEqual([403, 403, 403, 403, 403, 403]);
    }
    const withinOwn = { ...binding, principal: "ada", role: "auditor", environments: ["dev"] };
    expect((await one.call("POST", "/v1/role-bindings", devRole, withinOwn)).status).toBe(201);
    const beyond = { ...withinOwn, environments: ["production"] };
    expect((await one.call("POST", "/v1/role-bindings", devRole, beyond)).status).toBe(403);
  });
  test("an issuer reaches no further than the credential of whoever trusts it", async () => {
    const narrow = (await one.token("ada", ["production"])).token;
    expect(await put(narrow, trusting())).toMatchObject({ status: 422, code: "identity.bad_issuer" });
    expect((await put(narrow, trusting({ environments: ["production"] }))).status).toBe(200);
  });
});

describe("issuers of several organisations", () => {
  test("nobody claims our own issuer, its audiences, or what another organisation trusts; all answers are alike", async () => {
    const eve = (await one.token("eve", undefined, { organisation: "rival" })).token;
    const own = (await one.call("GET", "/v1/whoami", admin)).body as unknown as { organisationId: string };
    expect((await put(admin, trusting())).status).toBe(200);
    const tries = [
      trusting(),
      trusting({ audiences: ["https://portolan.rival.example", "https://portolan.acme.example"] }),
      trusting({ issuer: one.developmentIssuer.issuer, audiences: ["anything"] }),
      trusting({ issuer: "https://id.rival.example", audiences: [`portolan:${own.organisationId}`] }),
    ];
    const answers = [];
    for (const body of tries) answers.push(await put(eve, body));
    expect(new Set(answers.map(({ status, code, detail }) => `${status} ${code} ${detail}`)).size).toBe(1);
    expect(answers[0]).toMatchObject({ status: 422, code: "identity.bad_issuer" });
    // Nobody of the other organisation was shut out, and its own audience is open to the rival.
    expect((await one.call("GET", "/v1/whoami", (await one.token("ada")).token)).status).toBe(200);
    const ownAudience = trusting({ audiences: ["https://portolan.rival.example"] });
    expect((await put(eve, ownAudience)).status).toBe(200);
    // What is trusted no more is free.
    const gone = await one.call("DELETE", "/v1/oidc-issuers?issuer=https://id.acme.example", admin);
    expect(gone.status).toBe(204);
    expect((await put(eve, trusting())).status).toBe(200);
  });
});

describe("keys of outside issuers", () => {
  const keySet = JSON.stringify({ keys: [{ kty: "EC", kid: "k1" }] });
  const development = readAddressRules(undefined, true);

  async function serving<T>(answer: RequestListener, ask: (address: string) => Promise<T>): Promise<T> {
    const server = createServer(answer);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      return await ask(`http://127.0.0.1:${String((server.address() as AddressInfo).port)}/keys`);
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  test("no redirect is followed, no large, slow or shapeless answer is taken", async () => {
    let followed = false;
    const fetcher = createJwksFetcher(development, 1000);
    await serving(
      (request, response) => {
        if (request.url === "/keys") response.writeHead(302, { location: "/elsewhere" }).end();
        else {
          followed = true;
          response.end(keySet);
        }
      },
      (address) => expect(fetcher(address)).rejects.toThrow("HTTP 302"),
    );
    expect(followed).toBe(false);
    await serving(
      (_request, response) => response.end(keySet.padEnd(300 * 1024)),
      (address) => expect(fetcher(address)).rejects.toThrow("more than 262144 bytes"),
    );
    await serving(
      (_request, response) => {
        // A byte now and then keeps a connection from being idle; the time of the whole answer is what counts.
        const drip = setInterval(() => response.write(" "), 50);
        response.once("close", () => clearInterval(drip));
      },
      (address) => expect(fetcher(address)).rejects.toThrow(/abort/i),
    );
    await serving(
      (_request, response) => response.end("[]"),
      (address) => expect(fetcher(address)).rejects.toThrow("not a JSON Web Key Set"),
    );
    const keys = await serving((_request, response) => response.end(keySet), fetcher);
    expect(keys).toEqual(JSON.parse(keySet));
  });

  test("a name that resolves to this machine or into the network is not asked, unless the operator allows it", async () => {
    let asked = 0;
    const answer: RequestListener = (_request, response) => {
      asked++;
      response.end(keySet);
    };
    await serving(answer, async (address) => {
      const named = address.replace("http://127.0.0.1", "https://localhost");
      await expect(createJwksFetcher(readAddressRules(undefined, false))(named)).rejects.toThrow(
        "private network",
      );
      await expect(createJwksFetcher(readAddressRules(undefined, false))(address)).rejects.toThrow("https");
      // Allowed, the connection is made: it fails at TLS, which this server does not speak.
      await expect(createJwksFetcher(readAddressRules("localhost", false))(named)).rejects.toThrow(
        /SSL|EPROTO/i,
      );
    });
    expect(asked).toBe(0);
  });

  test("the last good keys stay in the next snapshots while the provider is down, also after a restart, and their age is shown", async () => {
    const audiences = ["https://portolan.down.example"];
    const away = await serving(
      (_request, response) => response.end(keySet),
      async (jwksUri) => {
        const issuer = jwksUri.replace("/keys", "");
        const body = trusting({ issuer, audiences, jwks: undefined, jwksUri });
        expect((await put(admin, body)).status).toBe(200);
        const shown = async () => {
          const { items } = (await one.call("GET", "/v1/oidc-issuers", admin)).body as unknown as {
            items: { issuer: string; keysFetchedAt?: number }[];
          };
          return items.find((item) => item.issuer === issuer)?.keysFetchedAt;
        };
        expect(await shown()).toBeUndefined();
        const trusted = await one.database.uow.read(aCall({}), (sql) => listTrustedIssuers(sql));
        await one.issuerKeys.refresh(trusted);
        expect(await shown()).toBe(one.clock.now());
        expect(one.issuerKeys.asked()).toContainEqual({
          uri: jwksUri,
          isAway: false,
          fetchedAt: one.clock.now(),
        });
        return issuer;
      },
    );
    const verdict = await one.authenticator.authenticate(admin);
    if (verdict.kind !== "authenticated") throw new Error("not authenticated");
    const call = aCall({ organisationId: verdict.actor.organisationId });
    const store = createIssuerKeyStore(one.database.uow, one.clock);
    const restarted = createIssuerKeys(one.clock, createJwksFetcher(development), store);
    const deps = { unitOfWork: one.database.uow, decisions: createDecisionMemory(), issuerKeys: restarted };
    const inSnapshot = async () =>
      (await grantsForSnapshot(deps, call, ["dev"], []))[0]?.issuers.find(({ issuer }) => issuer === away)
        ?.jwks;
    const start = one.clock.now();
    one.clock.set(asEpochMicros(start + 86_000_000_000));
    await restarted.refresh([{ issuer: away, jwksUri: `${away}/keys` } as TrustedIssuer]);
    expect(await inSnapshot()).toEqual(JSON.parse(keySet));
    expect(restarted.asked()).toEqual([{ uri: `${away}/keys`, isAway: true, fetchedAt: start }]);
    one.clock.set(asEpochMicros(start + 86_400_000_000));
    expect(await inSnapshot()).toBeUndefined();
    expect(restarted.asked()).toEqual([{ uri: `${away}/keys`, isAway: true }]);
    one.clock.set(start);
  });
});

describe("a platform key that is revoked", () => {
  test("ends the verified tokens of every organisation at once", async () => {
    const eve = (await one.token("eve", undefined, { organisation: "rival" })).token;
    const ada = (await one.token("ada")).token;
    expect((await one.call("GET", "/v1/whoami", eve)).status).toBe(200);
    const key = await one.keyRing.current("token");
    const revoked = await one.call("POST", `/v1/signing-keys/${key.id}/revoke`, ada, {
      reason: "stolen",
      since: asEpochMicros(one.clock.now()),
    });
    expect(revoked.status).toBe(200);
    expect((await one.call("GET", "/v1/whoami", eve)).status).toBe(401);
  });
});

describe("the master secret", () => {
  test("a wrong one is counted as a refusal, with its source", async () => {
    const before = one.denials.length;
    const wrong = { secret: "guessed", principal: "ada", environments: ["dev"] };
    const organisation = { name: "x", displayName: "X" };
    const tries = [
      await one.app.inject({ method: "POST", url: "/v1/dev/token", payload: wrong }),
      await one.app.inject({
        method: "POST",
        url: "/v1/bootstrap",
        payload: { secret: "guessed", organisation, administrator: organisation },
      }),
    ];
    expect(tries.map(({ statusCode }) => statusCode)).toEqual([401, 401]);
    expect(one.denials.slice(before)).toMatchObject([
      { kind: "unauthenticated", reason: "wrong_secret", action: "identity:dev_token", source: "127.0.0.1" },
      { kind: "unauthenticated", reason: "wrong_secret", action: "identity:bootstrap", source: "127.0.0.1" },
    ]);
  });
});
