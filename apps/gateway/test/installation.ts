import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes, sign } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { GatewayGrants, GatewayPrincipal } from "@portolan/identity/contract";
import {
  canonicalBytes,
  type Digest,
  digestBytes,
  digestHex,
  environments,
  type Id,
  type JsonValue,
  newId,
  systemClock,
} from "@portolan/kernel";
import { readOnnxModel, signatureOf } from "@portolan/onnx-format";
import type { StoredPrediction } from "@portolan/predictions/contract";
import { readLog } from "@portolan/predictions/log";
import {
  type FoundUpstream,
  modelFileName,
  promptFileName,
  type StatedPrompt,
  type StatedUpstream,
  upstreamFileName,
} from "@portolan/registry/contract";
import { encodePrompt, encodeUpstream, modelStatement, signedBundle } from "@portolan/registry/policy";
import { gatewayProcess, type Route, type SnapshotManifest } from "@portolan/serving/contract";
import { buildSnapshot } from "@portolan/serving/policy";
import { compileCache } from "../../../tools/compile-cache.ts";
import { grantedKey, keyText, pair } from "./installation-keys.ts";
import { TestGateway } from "./test-gateway.ts";

export { TestGateway } from "./test-gateway.ts";

const organisationId = "org_00000000000000000000000000" as Id<"organisation">;
const principalId = "sa_11111111111111111111111111";
const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));

/** A client of another business unit, which may ask the named endpoints. */
interface Tenant {
  readonly principalId: string;
  readonly businessUnitId: string;
  readonly keyId: Id<"apiKey">;
  readonly secret: string;
  readonly endpoints: readonly string[];
}

/** An installation that control would have left on disk: keys, a signed snapshot, its parts and models. */
export class TestInstallation {
  readonly organisationId = organisationId;
  readonly home = mkdtempSync(join(tmpdir(), "gateway-"));
  readonly #models = pair("model");
  readonly #snapshots = pair("snapshot");
  readonly #keyId = newId("apiKey", systemClock.now());
  readonly #secret = randomBytes(32).toString("base64url");
  readonly #routes: Route[] = [];
  #granted: string[] = [];
  #acting: string[] = [];
  #reading: string[] = [];
  #children: ChildProcess[] = [];
  #place: "gateway/objects" | "control" = "gateway/objects";
  #isKeyRevoked = false;
  #issuers: GatewayGrants["issuers"] = [];
  #subjects: GatewayPrincipal["subjects"] = [];
  readonly #tenants: Tenant[] = [];

  constructor() {
    mkdirSync(join(this.home, "gateway/objects"), { recursive: true });
    mkdirSync(join(this.home, "control"));
    const trust = { organisationId, keys: [this.#snapshots.key] };
    writeFileSync(join(this.home, "gateway/trust.json"), JSON.stringify(trust));
  }

  get apiKey(): string {
    return keyText(this.#keyId, this.#secret);
  }

  /** @returns what it authenticates with, and the name that its records have */
  addTenant(...endpoints: string[]): { readonly apiKey: string; readonly principalId: string } {
    const number = String(this.#tenants.length + 2).padStart(26, "0");
    const keyId = newId("apiKey", systemClock.now());
    const secret = randomBytes(32).toString("base64url");
    const tenant = { principalId: `sa_${number}`, businessUnitId: `bu_${number}`, keyId, secret, endpoints };
    this.#tenants.push(tenant);
    return { apiKey: keyText(keyId, secret), principalId: tenant.principalId };
  }

  objectPath(digest: string, place: "gateway/objects" | "control" = "gateway/objects"): string {
    return join(this.home, place, digest.slice("sha256:".length));
  }

  /** From now on models and parts are at control alone, as they are when a running gateway is to fetch them. */
  moveToControl(): void {
    this.#place = "control";
  }

  /** The next version of an endpoint's model. */
  replace(endpoint: string, bytes: Uint8Array): Route {
    const find = () => this.#routes.find((route) => route.endpoint === endpoint);
    this.deploy(endpoint, bytes, (find()?.model.version ?? 0) + 1);
    const route = find();
    if (!route) throw new Error(`no endpoint ${endpoint}`);
    return route;
  }

  /** Forbids the stand-in, as a snapshot does that names none. */
  forgetPrevious(endpoint: string): void {
    this.restate(endpoint, { previous: null });
  }

  /** The endpoint's route, but for what is said here. */
  restate(endpoint: string, over: Partial<Route>): void {
    const at = this.#routes.findIndex((route) => route.endpoint === endpoint);
    const route = this.#routes[at];
    if (route) this.#routes[at] = { ...route, ...over };
  }

  revokeKey(): void {
    this.#isKeyRevoked = true;
  }

  trustIssuer(issuer: GatewayGrants["issuers"][number], subject: string): void {
    this.#issuers = [issuer];
    this.#subjects = [{ issuer: issuer.issuer, subject }];
  }

  /** Another identity of the client, such as a SPIFFE id under its trust domain. */
  addSubject(issuer: string, subject: string): void {
    this.#subjects = [...this.#subjects, { issuer, subject }];
  }

  add(endpoint: string, bytes: Uint8Array, over: Partial<Route> = {}): Route {
    return this.#push(endpoint, this.reference(endpoint, 1, bytes), over);
  }

  #push(endpoint: string, model: Route["model"], over: Partial<Route>): Route {
    const route: Route = {
      endpointId: `ep_${endpoint}`,
      endpoint,
      deploymentId: `dep_${endpoint}`,
      organisationId,
      businessUnitId: "bu_1",
      teamId: null,
      useCaseId: "uc_1",
      environment: "dev",
      variant: "champion",
      model,
      charter: null,
      limits: { ratePerSecond: 100_000, burst: 100_000, timeoutMs: 2000, bodyBytes: 100_000 },
      purposes: [],
      durability: "buffered",
      nonFinite: "refuse",
      placement: null,
      fallbacks: [],
      resilience: { maxInFlight: 1000, slowMs: 60_000, targetWaitMs: 10_000 },
      variants: [],
      cache: null,
      traffic: null,
      secondary: null,
      features: null,
      previous: null,
      snapshotAge: null,
      ...over,
    };
    this.#routes.push(route);
    this.#granted.push(endpoint);
    return route;
  }

  /** A stored and signed model that a route may name beside its own. */
  reference(name: string, version: number, bytes: Uint8Array, origin: "trained" | "imported" = "trained") {
    const digest = this.#store(bytes);
    return {
      name,
      version,
      digest,
      sizeBytes: bytes.length,
      bundle: this.#sign(modelFileName, digest),
      signature: structuredClone(signatureOf(readOnnxModel(bytes))) as Route["model"]["signature"],
      origin,
    };
  }

  /** A signed description of where another server runs a version, as control registers it. */
  upstream(
    name: string,
    version: number,
    stated: StatedUpstream,
    found: FoundUpstream,
    said?: StatedPrompt,
  ): Route["model"] {
    const prompt = said && this.#store(encodePrompt(said));
    const bytes = encodeUpstream(stated, found, { organisationId, useCaseId: "uc_1" }, prompt);
    const digest = this.#store(bytes);
    const { protocol, region, owner, environments: named } = stated;
    return {
      name,
      version,
      digest,
      sizeBytes: bytes.length,
      bundle: this.#sign(upstreamFileName, digest, prompt),
      signature: structuredClone(found.signature),
      origin: "imported",
      upstream: { protocol, region, owner, environments: named ?? [...environments] },
      ...(prompt ? { prompt } : {}),
    };
  }

  /** An endpoint behind a version that is stored already, such as one that another server runs. */
  addUpstream(endpoint: string, model: Route["model"], over: Partial<Route> = {}): Route {
    return this.#push(endpoint, model, over);
  }

  /** Lets the client name others whom it acts for. */
  grantActing(endpoint: string): void {
    this.#acting.push(endpoint);
  }

  /** Lets the client read the endpoint's features without a prediction. */
  grantReading(endpoint: string): void {
    this.#reading.push(endpoint);
  }

  /** The endpoint with another version of its model; the one before may stand in for it. */
  deploy(endpoint: string, bytes: Uint8Array, version: number): void {
    const { model, features } = this.#routes.find((route) => route.endpoint === endpoint) ?? {};
    const previous = model && features !== undefined ? { model, features } : null;
    this.restate(endpoint, { model: this.reference(endpoint, version, bytes), previous });
  }

  revoke(endpoint: string): void {
    this.#granted = this.#granted.filter((name) => name !== endpoint);
  }

  /** Signs and writes the snapshot that the gateway will start from. */
  async publish(
    version: number,
    createdAt = systemClock.now(),
    edit: (manifest: SnapshotManifest) => SnapshotManifest = (manifest) => manifest,
  ): Promise<unknown> {
    const grants = {
      organisationId,
      environment: "dev" as const,
      revocationEpoch: 1,
      issuers: structuredClone(this.#issuers) as unknown as JsonValue,
      principals: [
        { id: principalId, kind: "service_account", subjects: this.#subjects.map((one) => ({ ...one })) },
        ...this.#tenants.map(({ principalId: id, businessUnitId }) => ({
          id,
          kind: "service_account" as const,
          businessUnitId,
          subjects: [],
        })),
      ],
      apiKeys: [
        ...(this.#isKeyRevoked ? [] : [grantedKey(this.#keyId, this.#secret, principalId)]),
        ...this.#tenants.map((one) => grantedKey(one.keyId, one.secret, one.principalId)),
      ],
      revokedTokens: [],
      endpoints: this.#granted.map((endpoint) => ({
        endpoint,
        environment: "dev",
        principals: [
          principalId,
          ...this.#tenants
            .filter(({ endpoints }) => endpoints.includes(endpoint))
            .map((one) => one.principalId),
        ],
        actors: this.#acting.includes(endpoint) ? [principalId] : [],
        readers: this.#reading.includes(endpoint) ? [principalId] : [],
        readPurposes: { [principalId]: ["care"] },
      })),
    };
    const signing = async (bytes: Uint8Array) => ({
      keyId: this.#snapshots.key.id,
      signature: sign(null, bytes, this.#snapshots.privateKey),
    });
    const { manifest, built } = await buildSnapshot(
      {
        organisationId,
        routes: this.#routes,
        grants: [{ environment: "dev", grants }],
        keys: [
          { ...this.#models.key, purpose: "model" },
          { ...this.#snapshots.key, purpose: "snapshot" },
        ],
      },
      version,
      createdAt,
      signing,
    );
    const payload = canonicalBytes(edit(manifest));
    const signed = {
      payload: Buffer.from(payload).toString("base64"),
      keyId: this.#snapshots.key.id,
      signature: (await signing(payload)).signature.toString("base64"),
    };
    for (const bytes of built.bytes.values()) this.#store(bytes);
    if (this.#place !== "control")
      writeFileSync(join(this.home, "gateway/snapshot.json"), JSON.stringify(signed));
    return signed;
  }

  /** Starts one that is expected to end by itself; resolves to its exit code and what it said. */
  async startToEnd(
    environment: Readonly<Record<string, string>> = {},
  ): Promise<{ readonly code: number | null; readonly output: string }> {
    const child = this.#spawn(environment);
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream?.on("data", (chunk: Buffer) => (output += chunk.toString()));
    const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
    return { code, output };
  }

  /** Every record of a gateway that has ended, opened with this installation's keys. */
  records(name = "gateway"): StoredPrediction[] {
    const folder = join(this.home, "predictions", name);
    return [...readLog(folder, join(this.home, "keys/prediction-log", name))].flatMap((block) => [
      ...block.records,
    ]);
  }

  /** Plain `node apps/gateway/src/main.ts`, as `portolan up` starts it. */
  async start(environment: Readonly<Record<string, string>> = {}): Promise<TestGateway> {
    return TestGateway.await(this.#spawn(environment), this.apiKey);
  }

  /** Settings of a further process that begins with what the first one has on disk. */
  another(name: string): Readonly<Record<string, string>> {
    cpSync(join(this.home, "gateway"), join(this.home, "gateways", name), { recursive: true });
    return { GATEWAY_NAME: name };
  }

  #spawn(environment: Readonly<Record<string, string>>): ChildProcess {
    const child = spawn(process.execPath, [...gatewayProcess.nodeFlags, main], {
      env: {
        ...gatewayProcess.environment,
        ...compileCache,
        PORTOLAN_HOME: this.home,
        GATEWAY_PORT: "0",
        GRPC_PORT: "0",
        CONTROL_URL: "http://127.0.0.1:9",
        ...environment,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#children.push(child);
    return child;
  }

  dispose(): void {
    for (const child of this.#children) child.kill("SIGKILL");
    rmSync(this.home, { recursive: true, force: true });
  }

  #sign(file: string, digest: Digest, prompt?: Digest) {
    const statement = modelStatement("model", [
      { name: file, sha256: digestHex(digest) },
      ...(prompt ? [{ name: promptFileName, sha256: digestHex(prompt) }] : []),
    ]);
    const signature = sign("sha256", statement.toSign, this.#models.privateKey);
    const bundle = this.#store(signedBundle(statement, signature, this.#models.key));
    return { digest: bundle, signedAt: systemClock.now() - 1000 };
  }

  #store(bytes: Uint8Array) {
    const digest = digestBytes(bytes);
    writeFileSync(this.objectPath(digest, this.#place), bytes);
    return digest;
  }
}
