import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { OidcServer } from "../../../packages/identity/test/oidc-server.ts";
import { bootstrapAcme, must } from "../../control/test/api.ts";
import { type ControlProcess, startControlProcess } from "../../control/test/control-process.ts";
import { freePort } from "../src/supervisor/ports.ts";
import { Browser } from "./browser.ts";
import { type CommandResult, cliMain, runPortolan } from "./product.ts";

/** People sign in at a real provider, through the command line and a browser, to a real control. */
let folder: string;
let control: ControlProcess;
let provider: OidcServer;
let adminToken: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-login-"));
  // Tokens so short that each command needs a new one.
  provider = await OidcServer.start(await freePort(), { tokenSeconds: 45 });
  control = await startControlProcess({ env: { OIDC_ALLOWED_HOSTS: "http://127.0.0.1" } });
  await bootstrapAcme(control, (await readFile(join(control.home, "local-credential"), "utf8")).trim());
  adminToken = await control.token("ada");
  const trust = { ...provider.trust, subjectClaim: "sub", environments: ["dev"] };
  await must(control, "PUT", "/v1/oidc-issuers", trust, adminToken);
});
afterAll(async () => {
  await control[Symbol.asyncDispose]();
  await provider[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const env = (more: Readonly<Record<string, string>> = {}) => ({
  PATH: process.env["PATH"],
  XDG_CONFIG_HOME: join(folder, "config"),
  PORTOLAN_HOME: join(folder, "nothing-runs-here"),
  ...more,
});
const portolan = (...args: string[]): Promise<CommandResult> => runPortolan(args, env());

/** Runs `login`, with somebody who does what it asks for. */
async function login(
  args: readonly string[],
  ask: (text: string) => Promise<unknown> | undefined,
): Promise<CommandResult> {
  const child = spawn(process.execPath, [cliMain, "login", "--json", ...args], { env: env() });
  let [out, err] = ["", ""];
  let asked: Promise<unknown> | undefined;
  child.stdout.on("data", (bytes: Buffer) => (out += bytes.toString()));
  child.stderr.on("data", (bytes: Buffer) => {
    err += bytes.toString();
    asked ??= ask(err);
  });
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  await asked;
  return { code: code ?? -1, out, err };
}

const withBrowser = (name: string) => (text: string) => {
  const address = /Sign in at (\S+)\n/.exec(text)?.[1];
  return address === undefined ? undefined : new Browser(name).signIn(address);
};
const first = (): string[] =>
  `--no-browser --url ${control.url} --issuer ${provider.issuer} --client-id portolan-cli --audience ${provider.trust.audiences[0] ?? ""}`.split(
    " ",
  );

interface Kept {
  readonly current: string;
  readonly servers: Readonly<
    Record<string, { readonly tokens?: { accessToken: string; refreshToken: string } }>
  >;
}
const file = () => join(folder, "config", "portolan", "sessions.json");
const kept = async () => JSON.parse(await readFile(file(), "utf8")) as Kept;
const tokens = async () => (await kept()).servers[control.url]?.tokens;

test("who has no account is told what ties one to them; then they are signed in, and renewed, by several commands at once", async () => {
  const stranger = await login(first(), withBrowser("gil"));
  expect([stranger.code, stranger.out]).toEqual([1, expect.stringContaining("cli.sign_in_failed")]);
  expect(stranger.out).toContain(`portolan user create NAME --issuer ${provider.issuer} --subject gil`);
  expect(await stat(file()).catch(() => undefined)).toBeUndefined();

  const tied = ["user", "create", "gil", "--issuer", provider.issuer, "--subject", "gil"];
  const admin = env({ PORTOLAN_URL: control.url, PORTOLAN_TOKEN: adminToken });
  expect(await runPortolan(tied, admin)).toMatchObject({ code: 0, err: "" });
  const { code, out } = await login(first(), withBrowser("gil"));
  expect([code, out]).toEqual([0, expect.stringContaining('"id": "usr_')]);
  const { id } = JSON.parse(out) as { id: string };
  expect((await stat(file())).mode & 0o777).toBe(0o600);
  const before = await tokens();
  expect(out).not.toContain(before?.accessToken ?? "none");

  const who = await Promise.all([portolan("whoami", "--json"), portolan("whoami", "--json")]);
  for (const one of who) expect([one.code, one.out]).toEqual([0, expect.stringContaining(`"id": "${id}"`)]);
  const after = await tokens();
  expect(after?.accessToken).not.toBe(before?.accessToken);
  expect(after?.refreshToken).not.toBe(before?.refreshToken);
});

test("signing out ends the session at the provider, too; a device signs in again, with nothing said anew", async () => {
  const { refreshToken = "" } = (await tokens()) ?? {};
  const loggedOut = await portolan("logout");
  expect([loggedOut.code, loggedOut.out]).toEqual([0, `signed out of ${control.url}\n`]);
  const again = await fetch(`${provider.issuer}/token`, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "refresh_token",
      refresh_token: refreshToken,
      client_id: "portolan-cli",
    }),
  });
  expect(await again.json()).toMatchObject({ error: "invalid_grant" });
  const nobody = await portolan("whoami");
  expect([nobody.code, nobody.err]).toEqual([1, expect.stringContaining("portolan login")]);
  expect((await portolan("logout")).out).toContain("you were not signed in");

  const byDevice = await login(["--device"], (text) => {
    const [, address, code] = /Open (\S+) and enter (\S+)\n/.exec(text) ?? [];
    return address && code ? new Browser("gil").signIn(address, { user_code: code }) : undefined;
  });
  expect([byDevice.code, byDevice.out]).toEqual([0, expect.stringContaining('"id": "usr_')]);
  expect((await portolan("whoami")).code).toBe(0);

  // What the provider ended is over here.
  await provider.kill();
  await provider.start();
  const over = await portolan("whoami");
  expect([over.code, over.err]).toEqual([1, expect.stringMatching(/invalid_grant[^]*portolan login/)]);
  expect(await tokens()).toBeUndefined();
});
