import { type ChildProcess, fork } from "node:child_process";
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";

export interface OidcServerSettings {
  readonly port: number;
  readonly audience: string;
  readonly clientId: string;
  readonly secret: string;
  /** Private JSON Web Keys; the first one signs. */
  readonly keys: readonly Readonly<Record<string, unknown>>[];
  readonly tokenSeconds: number;
}

const program = fileURLToPath(new URL("./oidc-server-main.ts", import.meta.url));

function signingKey(): Record<string, unknown> {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { ...privateKey.export({ format: "jwk" }), kid: randomUUID(), use: "sig", alg: "ES256" };
}

/**
 * A real OpenID provider on a port that it keeps over its deaths, with one client that gets access tokens for itself, and a public one, `portolan-cli`, at which
 * anybody signs in under the name that they give.
 */
export class OidcServer implements AsyncDisposable {
  #settings: OidcServerSettings;
  #child: ChildProcess | undefined;

  private constructor(port: number, change: Partial<OidcServerSettings>) {
    this.#settings = {
      port,
      audience: "https://portolan.example/api",
      clientId: "pipeline",
      secret: "not-a-real-secret-but-long-enough-for-tests",
      keys: [signingKey()],
      tokenSeconds: 3600,
      ...change,
    };
  }

  static async start(port: number, change: Partial<OidcServerSettings> = {}): Promise<OidcServer> {
    const server = new OidcServer(port, change);
    await server.start();
    return server;
  }

  get issuer(): string {
    return `http://127.0.0.1:${this.#settings.port}`;
  }

  /** What an organisation says to trust it. */
  get trust() {
    return {
      issuer: this.issuer,
      audiences: [this.#settings.audience],
      algorithms: ["ES256"],
      jwksUri: `${this.issuer}/jwks`,
      subjectClaim: "client_id",
    };
  }

  /** The identity that its tokens name. */
  get subject() {
    return { issuer: this.issuer, subject: this.#settings.clientId };
  }

  async start(): Promise<void> {
    const child = fork(program, { stdio: ["ignore", "ignore", "ignore", "ipc"] });
    this.#child = child;
    const listening = new Promise<void>((resolve, reject) => {
      child.once("message", () => resolve());
      child.once("exit", (code) => reject(new Error(`the provider ended with ${code}`)));
    });
    child.send(this.#settings);
    await listening;
  }

  /** From its next start on it signs with another key; those before still count. */
  rotate(): void {
    this.#settings = { ...this.#settings, keys: [signingKey(), ...this.#settings.keys] };
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGKILL");
    await ended;
  }

  /** An access token of the client, which no other is like. */
  async token(): Promise<string> {
    const { clientId, secret, audience } = this.#settings;
    const response = await fetch(`${this.issuer}/token`, {
      method: "POST",
      headers: {
        authorization: `Basic ${Buffer.from(`${clientId}:${secret}`).toString("base64")}`,
        "content-type": "application/x-www-form-urlencoded",
      },
      body: new URLSearchParams({ grant_type: "client_credentials", resource: audience, scope: "predict" }),
      signal: AbortSignal.timeout(10_000),
    });
    const document = (await response.json()) as { access_token?: string };
    if (document.access_token === undefined) throw new Error(JSON.stringify(document));
    return document.access_token;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}
