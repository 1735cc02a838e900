import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asEpochMicros } from "@portolan/kernel";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { authorizationAddress, challengeOf, codeOf } from "./browser.ts";
import { openCallback } from "./callback.ts";
import { nextStep, readDeviceCode } from "./device.ts";
import { audienceForm, readDiscovery } from "./provider.ts";
import { withTokens } from "./session-token.ts";
import { changeSessions, readSessions, type Sessions, serverName, sessionsFile } from "./sessions.ts";
import { checkIdToken, readTokenAnswer } from "./tokens.ts";

const issuer = "https://id.example.com/realms/a";
const discovery = {
  issuer,
  token_endpoint: `${issuer}/token`,
  authorization_endpoint: `${issuer}/auth?tenant=a`,
  code_challenge_methods_supported: ["plain", "S256"],
  authorization_response_iss_parameter_supported: true,
};
const provider = readDiscovery(issuer, discovery);
const client = {
  clientId: "portolan-cli",
  audience: "https://portolan.example.com",
  scope: "openid offline_access",
};
const now = asEpochMicros(1_800_000_000_000_000);

describe("a provider's own words", () => {
  test.each([
    ["of another issuer", { issuer: `${issuer}/` }],
    ["without PKCE by S256", { code_challenge_methods_supported: ["plain"] }],
    ["without a token endpoint", { token_endpoint: undefined }],
  ])("%s are refused", (_what, change) => {
    expect(() => readDiscovery(issuer, { ...discovery, ...change })).toThrow(
      expect.objectContaining({ code: "cli.sign_in_failed" }),
    );
  });

  test("that send a code or token in the clear are refused; on this machine they may", () => {
    const plain = { ...discovery, token_endpoint: "http://id.example.com/token" };
    expect(() => readDiscovery(issuer, plain)).toThrow(
      expect.objectContaining({ code: "kernel.plain_http_refused" }),
    );
    const here = readDiscovery(issuer, { ...discovery, token_endpoint: "http://127.0.0.1:9/token" });
    expect(here.tokenEndpoint).toBe("http://127.0.0.1:9/token");
  });
});

describe("the address to sign in at", () => {
  const of = { redirectUri: "http://127.0.0.1:5/callback", state: "s", nonce: "n", verifier: "v" };

  test("keeps the provider's query, and has the challenge, never the verifier", () => {
    const address = new URL(authorizationAddress(provider, client, of));
    expect(Object.fromEntries(address.searchParams)).toEqual({
      tenant: "a",
      response_type: "code",
      client_id: "portolan-cli",
      redirect_uri: of.redirectUri,
      scope: client.scope,
      state: "s",
      nonce: "n",
      prompt: "consent",
      code_challenge: challengeOf("v"),
      code_challenge_method: "S256",
      audience: client.audience,
      resource: client.audience,
    });
  });

  test("has a resource only where the audience is an address", () => {
    expect(audienceForm({ ...client, audience: "portolan" })).toEqual({ audience: "portolan" });
    expect(audienceForm({ clientId: "c", scope: "s" })).toEqual({});
  });

  test("the challenge is RFC 7636's (appendix B)", () => {
    expect(challengeOf("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")).toBe(
      "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    );
  });
});

describe("what the browser brings", () => {
  const bring = (query: string, from = provider) => codeOf(new URLSearchParams(query), from);

  test("is a code of this provider alone (RFC 9207)", () => {
    expect(bring(`code=c&iss=${encodeURIComponent(issuer)}`)).toBe("c");
    expect(bring("code=c", { ...provider, namesItself: false })).toBe("c");
    for (const query of ["code=c", "code=c&iss=https://evil.example", `iss=${encodeURIComponent(issuer)}`])
      expect(() => bring(query)).toThrow(expect.objectContaining({ code: "cli.sign_in_failed" }));
  });

  test("or the provider's refusal, in its words", () => {
    const query = `error=access_denied&error_description=not+today&iss=${encodeURIComponent(issuer)}`;
    expect(() => bring(query)).toThrow(
      expect.objectContaining({ detail: expect.stringContaining("access_denied: not today") }),
    );
  });

  test("counts with this sign-in's state alone; all else is refused and ends nothing", async () => {
    await using callback = await openCallback("right", 0, 10_000);
    const status = async (path: string, method = "GET") =>
      (await fetch(new URL(path, callback.redirectUri), { method })).status;
    expect(await status("/")).toBe(404);
    expect(await status("/callback?code=c&state=right", "POST")).toBe(404);
    for (const query of ["code=c", "code=c&state=wrong", "code=c&state=righ", "code=a&code=b&state=right"])
      expect(await status(`/callback?${query}`)).toBe(400);
    expect(await status("/callback?code=mine&state=right")).toBe(200);
    expect((await callback.answer).get("code")).toBe("mine");
  });

  test("is waited for so long and no longer; a taken port is told", async () => {
    await using callback = await openCallback("s", 0, 20);
    await expect(callback.answer).rejects.toMatchObject({ code: "cli.sign_in_failed" });
    const port = Number(new URL(callback.redirectUri).port);
    await expect(openCallback("s", port, 20)).rejects.toMatchObject({
      mend: expect.stringContaining("--port"),
    });
  });
});

describe("tokens", () => {
  const answer = { access_token: "a.b.c", token_type: "Bearer", expires_in: 60, refresh_token: "r" };

  test("are bearer tokens with their end", () => {
    expect(readTokenAnswer(200, answer, now)).toEqual({
      kind: "tokens",
      tokens: { accessToken: "a.b.c", refreshToken: "r", expiresAt: now + 60_000_000 },
    });
    expect(readTokenAnswer(400, { error: "invalid_grant" }, now)).toEqual({
      kind: "refused",
      error: "invalid_grant",
      description: "invalid_grant",
    });
  });

  test.each([
    [500, {}],
    [200, { ...answer, token_type: "DPoP" }],
    [200, { ...answer, access_token: "two words" }],
    [200, { ...answer, access_token: "line\nfeed" }],
    [200, { ...answer, access_token: "x".repeat(20_000) }],
    [302, answer],
  ])("an answer that has none is no sign-in: %s %j", (status, body) => {
    expect(() => readTokenAnswer(status, body, now)).toThrow(
      expect.objectContaining({ code: "cli.sign_in_failed" }),
    );
  });

  const idToken = (claims: object) => `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.x`;
  const good = { iss: issuer, aud: "portolan-cli", exp: now / 1e6 + 10, nonce: "n" };
  const check = (claims: object) => () =>
    checkIdToken({ accessToken: "a", expiresAt: now, idToken: idToken(claims) }, provider, client, "n", now);

  test("an ID token is of this provider, client, attempt and time", () => {
    expect(check(good)).not.toThrow();
    expect(check({ ...good, aud: ["portolan-cli", "other"], azp: "portolan-cli" })).not.toThrow();
    for (const [change, what] of [
      [{ iss: "https://evil.example" }, "issuer"],
      [{ aud: "other" }, "audience"],
      [{ aud: ["portolan-cli", "other"] }, "authorized party"],
      [{ azp: "other" }, "authorized party"],
      [{ exp: now / 1e6 - 61 }, "end"],
      [{ exp: undefined }, "end"],
      [{ nonce: "m" }, "nonce"],
      [{ nonce: undefined }, "nonce"],
    ] as const)
      expect(check({ ...good, ...change })).toThrow(
        expect.objectContaining({ detail: expect.stringContaining(what) }),
      );
  });
});

describe("the device flow (RFC 8628)", () => {
  test("asks as often as it is told, slower when told so, half as often when nobody answers, and no more after a no", () => {
    const said = (error: string) => ({ kind: "refused", error, description: error }) as const;
    expect(nextStep(said("authorization_pending"), 5000)).toEqual({ kind: "wait", intervalMs: 5000 });
    expect(nextStep(said("slow_down"), 5000)).toEqual({ kind: "wait", intervalMs: 10_000 });
    expect(nextStep("unanswered", 5000)).toEqual({ kind: "wait", intervalMs: 10_000 });
    for (const error of ["access_denied", "expired_token", "invalid_grant"])
      expect(() => nextStep(said(error), 5000)).toThrow(
        expect.objectContaining({ code: "cli.sign_in_failed" }),
      );
  });

  test("has five seconds between questions where none are named; a code that is not whole is none", () => {
    const body = {
      device_code: "d",
      user_code: "U",
      verification_uri: "https://id.example.com/d",
      expires_in: 600,
    };
    expect(readDeviceCode(200, body)).toMatchObject({ intervalMs: 5000, expiresInMs: 600_000 });
    expect(readDeviceCode(200, { ...body, interval: 1 })).toMatchObject({ intervalMs: 1000 });
    for (const bad of [{ ...body, expires_in: 0 }, { ...body, user_code: 5 }, { error: "invalid_client" }])
      expect(() => readDeviceCode(200, bad)).toThrow(expect.objectContaining({ code: "cli.sign_in_failed" }));
  });
});

describe("sessions", () => {
  let env: { readonly XDG_CONFIG_HOME: string };
  beforeAll(async () => {
    env = { XDG_CONFIG_HOME: await mkdtemp(join(tmpdir(), "portolan-sessions-")) };
  });
  afterAll(() => rm(env.XDG_CONFIG_HOME, { recursive: true, force: true }));
  const server = "https://portolan.example.com";
  const session = { issuer, ...client };
  const known: Sessions = { version: 1, current: server, servers: { [server]: session } };

  test("are the user's own: a file of 0600 in a folder of 0700, refused once others may read it", async () => {
    expect(await readSessions(env)).toEqual({ version: 1, servers: {} });
    const tokens = { accessToken: "a", expiresAt: now, refreshToken: "r", idToken: "i" };
    await changeSessions(env, () => withTokens(known, server, tokens));
    const file = sessionsFile(env);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await stat(join(file, ".."))).mode & 0o777).toBe(0o700);
    expect((await readSessions(env)).servers[server]?.tokens).toEqual({
      accessToken: "a",
      expiresAt: now,
      refreshToken: "r",
    });
    await chmod(file, 0o640);
    await expect(readSessions(env)).rejects.toMatchObject({
      code: "cli.bad_file",
      mend: expect.stringContaining("chmod 600"),
    });
    await chmod(file, 0o600);
  });

  test("changes come one after the other, and a fault leaves all as it was", async () => {
    await changeSessions(env, () => ({ ...known, servers: {} }));
    const add = (n: number) =>
      changeSessions(env, async (before) => {
        await new Promise((resolve) => setTimeout(resolve, 5));
        return { ...before, servers: { ...before.servers, [`https://${n}.example`]: session } };
      });
    await Promise.all(Array.from({ length: 8 }, (_, n) => add(n)));
    expect(Object.keys((await readSessions(env)).servers)).toHaveLength(8);
    const fault = changeSessions(env, () => Promise.reject(new Error("no")));
    await expect(fault).rejects.toThrow("no");
    expect(Object.keys((await readSessions(env)).servers)).toHaveLength(8);
  });

  test("a file that is none is told, and kept", async () => {
    await writeFile(sessionsFile(env), "[]");
    await expect(readSessions(env)).rejects.toMatchObject({ code: "cli.bad_file" });
    await expect(changeSessions(env, (before) => before)).rejects.toMatchObject({ code: "cli.bad_file" });
    expect(await readFile(sessionsFile(env), "utf8")).toBe("[]");
  });

  test("signing out keeps how to sign in again; servers are named by their origin", () => {
    const signedIn = withTokens(known, server, { accessToken: "a", expiresAt: now });
    expect(withTokens(signedIn, server, undefined)).toEqual(known);
    expect(withTokens(known, "https://other.example", undefined)).toEqual(known);
    expect(serverName(`${server}/v1/`)).toBe(server);
  });
});
