import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { logisticModel } from "@portolan/onnx-format/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePort } from "../../apps/cli/src/supervisor/ports.ts";
import { createDelays, createShopKey, doneBy, soon } from "../../apps/cli/test/delays.ts";
import { type Product, startProduct } from "../../apps/cli/test/product.ts";
import { must } from "../../apps/control/test/api.ts";
import { accountsView, changesContract } from "../../packages/features/test/accounts-fixture.ts";
import { OidcServer } from "../../packages/identity/test/oidc-server.ts";
import { requireService } from "../../tools/services.ts";
import { RedisServer } from "../services/redis-server.ts";

const program = (await requireService("redis")) ?? "";

/** A collector of traces that can be away: the wire's other end, which counts what comes. */
class Collector {
  readonly port: number;
  received = 0;
  #server: Server | undefined;

  constructor(port: number) {
    this.port = port;
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => {
      request.resume().on("end", () => {
        this.received++;
        response.writeHead(200, { "content-type": "application/json" }).end("{}");
      });
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.port, "127.0.0.1", resolve));
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise<void>((resolve) => this.#server?.close(() => resolve()) ?? resolve());
  }
}

/** One thing that a gateway works with, itself or through control: how it goes away and comes back, and where that shows. */
interface Part {
  readonly name: string;
  away(): Promise<void> | void;
  back(): Promise<void> | void;
  /** Resolves once it shows that it is away, or that it is here again. */
  told(isAway: boolean): Promise<void>;
}

describe.skipIf(program === "")("with what it works with away", () => {
  let product: Product;
  let folder: string;
  let limits: RedisServer;
  let features: RedisServer;
  let collector: Collector;
  let provider: OidcServer;
  let key: string;
  /** Tokens of the provider that no gateway has seen: each is verified by its keys, and by nothing that is remembered. */
  let unseen: string[];
  const done = doneBy(() => product);
  const call = async (method: "POST" | "PUT" | "GET", path: string, body?: unknown) =>
    must(product, method, path, body, await product.token("admin"));

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "portolan-stability-"));
    [limits, features] = await Promise.all([RedisServer.start(program), RedisServer.start(program)]);
    collector = new Collector(await freePort());
    await collector.start();
    provider = await OidcServer.start(await freePort());
    product = await startProduct({
      ...process.env,
      LIMITS_REDIS_URL: `redis://127.0.0.1:${limits.port}`,
      FEATURES_REDIS_URL: `redis://127.0.0.1:${features.port}`,
      TRACES_URL: `http://127.0.0.1:${collector.port}/v1/traces`,
      TRACES_SAMPLE: "1",
    });
    await createDelays(done);
    key = await createShopKey(done);
    await trustProvider();
    await deploy(await materialize());
    await soon(async () => (await ask()).status === 200);
    unseen = await tokens(1200);
    await soon(async () => (await ask(nextToken())).status === 200);
  }, 300_000);
  afterAll(async () => {
    await product[Symbol.asyncDispose]();
    await collector.stop();
    await provider[Symbol.asyncDispose]();
    await Promise.all([limits, features].map((server) => server[Symbol.asyncDispose]()));
    await rm(folder, { recursive: true, force: true });
  });

  /** An account whose tokens the provider makes, and who may ask as the shop may. */
  async function trustProvider(): Promise<void> {
    await call("PUT", "/v1/oidc-issuers", { ...provider.trust, environments: ["dev"] });
    await call("POST", "/v1/service-accounts", {
      name: "pipeline",
      displayName: "Pipeline",
      subject: provider.subject,
    });
    await done("grant application --to pipeline --scope-kind use_case --scope delays");
  }

  async function tokens(count: number): Promise<string[]> {
    const made: string[] = [];
    while (made.length < count)
      made.push(...(await Promise.all(Array.from({ length: 50 }, () => provider.token()))));
    return made;
  }

  function nextToken(): string {
    const token = unseen.pop();
    if (token === undefined) throw new Error("all tokens are used up");
    return token;
  }

  async function materialize(): Promise<string> {
    await call("PUT", "/v1/contracts/changes", { document: changesContract, references: {} });
    await call("PUT", "/v1/feature-views/accounts", { document: accountsView });
    const at = new Date(Date.now() - 60_000).toISOString();
    const file = join(product.home, "inbox", "changes.jsonl");
    await mkdir(join(product.home, "inbox"), { recursive: true });
    await writeFile(file, `${JSON.stringify({ account: "a", cents: 100, at, known: at, op: "U" })}\n`);
    await done(`data ingest ${file} --contract changes`);
    const asOf = Date.now() * 1000 - 1_000_000;
    const { id } = await call("POST", "/v1/feature-views/accounts/materializations", {
      environment: "dev",
      asOf,
    });
    await soon(async () => (await call("GET", `/v1/materializations/${String(id)}`))["state"] === "done");
    return String((await call("GET", "/v1/feature-views/accounts"))["digest"]);
  }

  async function deploy(digest: string): Promise<void> {
    const model = join(folder, "model.onnx");
    await writeFile(model, logisticModel([0.01], 0));
    await done(`--as ci model import ${model} --name delays --use-case delays --environment dev`);
    const plan = join(folder, "features.json");
    const from = { kind: "feature", view: "accounts@1", feature: "balance" };
    const view = { name: "accounts@1", digest, entityKeys: ["account"] };
    const columns = [{ input: "x", index: 0, from, missing: 0 }];
    await writeFile(
      plan,
      JSON.stringify({
        service: "accounts",
        entityKeys: ["account"],
        views: [view],
        columns,
        maxAgeMs: null,
      }),
    );
    await done(`endpoint deploy delays delays 1 --use-case delays --environment dev --features ${plan}`);
  }

  async function ask(credential = key): Promise<{
    readonly status: number;
    readonly features: string;
    readonly id?: string | null;
  }> {
    const inputs = [{ name: "account", shape: [1], datatype: "BYTES", data: ["a"] }];
    const response = await fetch(`${product.gatewayUrl}/v2/models/delays/infer`, {
      method: "POST",
      headers: { authorization: `Bearer ${credential}` },
      body: JSON.stringify({ inputs }),
      signal: AbortSignal.timeout(20_000),
    });
    const id = response.headers.get("x-portolan-prediction-id");
    return { status: response.status, features: await response.text(), id };
  }

  /** Asks without pause until stopped, by API key and by a token in turn, and tells what came of it. */
  function load(): { stop(): Promise<ReadonlyMap<number, number>> } {
    const seen = new Map<number, number>();
    let isOver = false;
    const asking = (async () => {
      for (let n = 0; !isOver; n++) {
        const credential = n % 2 === 0 ? key : nextToken();
        const { status } = await ask(credential).catch(() => ({ status: 0 }));
        seen.set(status, (seen.get(status) ?? 0) + 1);
        // Below the limit of an endpoint without a charter.
        await sleep(150);
      }
    })();
    return {
      async stop() {
        isOver = true;
        await asking;
        return seen;
      },
    };
  }

  const metrics = async (): Promise<string> => (await fetch(`${product.gatewayUrl}/metrics`)).text();
  const gauge = (name: string) => async (isAway: boolean) =>
    soon(async () => new RegExp(`^${name} ${isAway ? 0 : 1}$`, "m").test(await metrics()));
  const featuresSay = async (isAway: boolean) => {
    await soon(async () => (await ask()).features.includes("unavailable") === isAway);
    await gauge("portolan_gateway_feature_store_reachable")(isAway);
  };
  /** Nothing comes while it is away; afterwards something does. */
  const spansCome = async (isAway: boolean) => {
    const before = collector.received;
    for (let n = 0; isAway && n < 10; n++) await ask();
    if (isAway) expect(collector.received).toBe(before);
    else await soon(async () => (await ask()).status === 200 && collector.received > before);
    await gauge("portolan_gateway_trace_collector_reachable")(isAway);
  };
  /** Control asks once a minute; what it says cannot be heard while it hangs. */
  const providerSays = async (isAway: boolean): Promise<void> => {
    const line = `portolan_control_issuer_keys_up{uri="${provider.trust.jwksUri}"} ${isAway ? 0 : 1}`;
    const page = () =>
      fetch(new URL("/metrics", product.controlUrl), { signal: AbortSignal.timeout(5000) }).then((answer) =>
        answer.text(),
      );
    if (isHanging) return;
    await expect.poll(page, { timeout: 150_000, interval: 500 }).toContain(line);
  };
  /** Tokens under the new key count without anybody's help. */
  const rotated = async (): Promise<void> => {
    const made = await tokens(300);
    const asked = async () => (await ask(made.pop() ?? "")).status;
    await expect.poll(asked, { timeout: 150_000, interval: 600 }).toBe(200);
  };
  let isHanging = false;
  const controlPid = () => product.state().processes.control?.pid ?? 0;

  const parts: readonly Part[] = [
    {
      name: "control, hanging",
      away: () => {
        isHanging = process.kill(controlPid(), "SIGSTOP");
      },
      back: () => {
        isHanging = !process.kill(controlPid(), "SIGCONT");
      },
      told: gauge("portolan_gateway_control_reachable"),
    },
    {
      name: "the store of shared limits, killed",
      away: () => limits.kill(),
      back: () => limits.start(),
      told: gauge("portolan_gateway_limits_together"),
    },
    {
      name: "the store of online features, hanging",
      away: () => features.signal("SIGSTOP"),
      back: () => features.signal("SIGCONT"),
      told: featuresSay,
    },
    {
      name: "the collector of traces",
      away: () => collector.stop(),
      back: () => collector.start(),
      told: spansCome,
    },
    {
      name: "the identity provider, hanging, then killed, and back with another key",
      away: () => provider.signal("SIGSTOP"),
      back: () => {
        provider.rotate();
        return provider.start();
      },
      told: async (isAway) => {
        await providerSays(isAway);
        if (isAway) await provider.kill();
        else await rotated();
      },
    },
  ];

  test.each(parts)(
    "$name: every request is answered, it shows, and all goes on when it is back",
    async (part) => {
      const asking = load();
      try {
        await part.away();
        await part.told(true);
        await sleep(500);
        await part.back();
        await part.told(false);
      } finally {
        expect([...(await asking.stop()).keys()]).toEqual([200]);
      }
    },
    300_000,
  );

  test("PostgreSQL, killed until it shows: every request is answered, the log waits, and goes on when it is back", async () => {
    const asking = load();
    const delivered = gauge("portolan_gateway_log_delivered");
    await delivered(false);
    let isSeen = false;
    try {
      // At least three times; a delivery may also fall between a death and the new start.
      for (let n = 0; n < 3 || (n < 20 && !isSeen); n++) {
        let isBack = false;
        const back = product
          .untilRestarted("postgres", product.kill("postgres"))
          .finally(() => (isBack = true));
        while (!isBack && !isSeen) isSeen = /^portolan_gateway_log_delivered 0$/m.test(await metrics());
        await back;
      }
      expect(isSeen).toBe(true);
      await product.untilReady("control", 120_000);
      await delivered(false);
    } finally {
      expect([...(await asking.stop()).keys()]).toEqual([200]);
    }
  }, 180_000);

  test("all of them at once: it serves, starts again from its disk alone, and everything comes back by itself", async () => {
    const asking = load();
    product.kill("postgres");
    for (const part of parts) await part.away();
    for (const part of parts) await part.told(true);
    const answered: unknown[] = [];
    for (let n = 0; n < 3; n++) answered.push((await ask()).id);
    answered.push((await ask(nextToken())).id);
    expect([...(await asking.stop()).keys()]).toEqual([200]);
    await product.untilRestarted("gateway", product.kill("gateway"));
    await soon(async () => (await ask().catch(() => ({ status: 0 }))).status === 200);
    const after = await ask();
    expect(after.features).toContain("unavailable");
    expect((await ask(nextToken())).status, "a token is verified by the keys on the disk").toBe(200);
    for (const part of parts) await part.back();
    for (const part of parts) await part.told(false);
    await product.untilReady("control", 120_000);
    // What was answered meanwhile is on the record.
    for (const id of [...answered, after.id])
      await soon(async () => (await product.cli("predictions", "show", String(id))).code === 0);
  }, 300_000);
});
