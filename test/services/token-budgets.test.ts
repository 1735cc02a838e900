import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TestGateway } from "../../apps/gateway/test/installation.ts";
import { TextInstallation } from "../../apps/gateway/test/text-installation.ts";
import { requireService } from "../../tools/services.ts";
import { RedisServer } from "./redis-server.ts";

const program = (await requireService("redis")) ?? "";

// Clauses are those of docs/spec/limits.md.
describe.skipIf(program === "")("token budgets of two gateway processes and a real Redis", () => {
  let redis: RedisServer;
  let installation: TextInstallation;
  let gateways: TestGateway[] = [];
  const servers: Record<string, Awaited<ReturnType<TextInstallation["addText"]>>> = {};
  const limits = { ratePerSecond: 1000, burst: 1000, timeoutMs: 3000, bodyBytes: 10_000 };

  beforeAll(async () => {
    redis = await RedisServer.start(program);
    installation = new TextInstallation();
    // A lease is ten tokens, and each request dearer: each request has to wait until the other gateway knows of the one before.
    const tokens = { perSecond: 10, burst: 100_000 };
    servers["leased"] = await installation.addText("leased", { limits: { ...limits, tokens } });
    // And here a lease is dearer than a request: those that find it spent stand in line.
    servers["queued"] = await installation.addText("queued", {
      limits: { ...limits, tokens: { perSecond: 300, burst: 100_000 } },
    });
    servers["strict"] = await installation.addText("strict", {
      limits: { ...limits, counting: "strict", tokens: { perSecond: 1, burst: 1000 } },
    });
    servers["hung"] = await installation.addText("hung", { limits: { ...limits, tokens } });
    await installation.publish(1);
    gateways = await Promise.all(
      ["a", "b"].map((name) =>
        installation.start({
          ...installation.another(name),
          UPSTREAM_ALLOWED_HOSTS: "127.0.0.1",
          LIMITS_REDIS_URL: `redis://127.0.0.1:${redis.port}`,
          // On a busy machine an answer may take long: what is late by a lease counts apart (L13).
          LIMITS_LEASE_MS: "1000",
        }),
      ),
    );
    await untilTogether("1");
  });
  afterAll(async () => {
    await installation.end();
    await redis[Symbol.asyncDispose]();
  });

  // The estimate is 8 tokens of prompt and the bound; the server reports 12 and 2.
  const ask = (gateway: TestGateway, model: string, bound: number): Promise<Response> =>
    gateway.post(
      "/v1/chat/completions",
      JSON.stringify({
        model,
        messages: [{ role: "user", content: "hello there" }],
        max_completion_tokens: bound,
      }),
    );

  const askAll = async (model: string, each: number, bound: number): Promise<number[]> => {
    const answers = gateways.flatMap((gateway) =>
      Array.from({ length: each }, async () => {
        const answer = await ask(gateway, model, bound);
        await answer.arrayBuffer();
        return answer.status;
      }),
    );
    return Promise.all(answers);
  };

  async function untilTogether(wanted: "0" | "1"): Promise<void> {
    const read = async (gateway: TestGateway): Promise<boolean> => {
      const text = await (await gateway.get("/metrics")).text();
      const isAll = wanted === "0" || text.includes("portolan_gateway_limits_gateways 2");
      return isAll && text.includes(`portolan_gateway_limits_together ${wanted}`);
    };
    const isSo = async (): Promise<boolean> => (await Promise.all(gateways.map(read))).every(Boolean);
    for (let i = 0; i < 200 && !(await isSo()); i++) await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await isSo()).toBe(true);
  }

  test("within the budget nobody is refused because a lease is under way, and each gateway learns what both used (L10, L11)", async () => {
    const each = 25;
    for (const endpoint of ["leased", "queued"])
      expect(new Set(await askAll(endpoint, each, 192))).toEqual(new Set([200]));
    const used = 2 * each * 14;
    for (const gateway of gateways) {
      // With what it tells of the first request a gateway hears what all have used and given back; the second answer says so.
      const answers: Response[] = [];
      for (let i = 0; i < 2; i++) {
        await new Promise((resolve) => setTimeout(resolve, 1000));
        answers.push(await ask(gateway, "leased", 192));
      }
      expect(answers.map(({ status }) => status)).toEqual([200, 200]);
      const left = Number(answers[1]?.headers.get("x-ratelimit-remaining-tokens"));
      expect(left).toBeGreaterThanOrEqual(100_000 - used - 2 * 200);
      expect(left, "ten tokens a second come back").toBeLessThanOrEqual(100_000 - used + 200);
    }
  });

  test("counted strictly, estimates of all gateways together never exceed the budget, and none of it is left unused (L12)", async () => {
    const server = servers["strict"];
    if (!server) throw new Error("no server");
    // Nobody gets an answer, so that nothing is settled before all have asked.
    server.mode = "silent";
    const statuses = await askAll("strict", 10, 192);
    expect(statuses.filter((status) => status !== 429)).toHaveLength(1000 / 200);
    // What nobody answered cost nothing, at either gateway; only a circuit may keep one from asking the server again.
    server.mode = "ok";
    for (const gateway of gateways) {
      // A gateway may refuse by what it heard within the last lease, and no longer.
      await new Promise((resolve) => setTimeout(resolve, 1300));
      expect((await ask(gateway, "strict", 880)).status).not.toBe(429);
    }
  });

  test("when Redis hangs, whoever waits for a lease goes on with the part of this gateway; later all count together (L13)", async () => {
    redis.signal("SIGSTOP");
    expect(new Set(await askAll("hung", 10, 192))).toEqual(new Set([200]));
    await untilTogether("0");
    expect(new Set(await askAll("hung", 10, 192))).toEqual(new Set([200]));
    redis.signal("SIGCONT");
    await untilTogether("1");
    expect(new Set(await askAll("hung", 10, 192))).toEqual(new Set([200]));
  });
});
