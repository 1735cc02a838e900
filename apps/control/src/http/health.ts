import { publicRoute } from "@portolan/http-contract";
import { messageOf } from "@portolan/kernel";
import type { FastifyInstance } from "fastify";
import { Counter, collectDefaultMetrics, Histogram, Registry } from "prom-client";

export interface HealthCheck {
  readonly name: string;
  check(): Promise<void>;
}

export interface HealthOptions {
  readonly checks: readonly HealthCheck[];
  /** Whether `/metrics` is answered here; otherwise it has a listener of its own. */
  readonly showsMetrics: boolean;
}

/** `/healthz` (the process lives), `/readyz` (its dependencies answer), `/metrics` (Prometheus text). */
export function healthRoutes(app: FastifyInstance, { checks, showsMetrics }: HealthOptions): Registry {
  const metrics = createMetrics(app);
  const open = { config: publicRoute, schema: { hide: true } };
  app.get("/healthz", open, async () => ({ status: "ok" }));
  app.get("/readyz", open, async (_request, reply) => {
    const results = await Promise.all(checks.map(runCheck));
    const ready = results.every((result) => result.ok);
    return reply.code(ready ? 200 : 503).send({ status: ready ? "ready" : "not ready", checks: results });
  });
  if (showsMetrics)
    app.get("/metrics", open, async (_request, reply) =>
      reply.type(metrics.contentType).send(await metrics.metrics()),
    );
  return metrics;
}

async function runCheck(check: HealthCheck): Promise<{ name: string; ok: boolean; detail?: string }> {
  try {
    await check.check();
    return { name: check.name, ok: true };
  } catch (error) {
    return { name: check.name, ok: false, detail: messageOf(error) };
  }
}

/** Labels are route patterns and status classes: bounded, whatever callers send. */
function createMetrics(app: FastifyInstance): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: "portolan_control_" });
  const labelNames = ["method", "route", "status"] as const;
  const requests = new Counter({
    name: "portolan_control_requests_total",
    help: "Requests answered",
    labelNames,
    registers: [registry],
  });
  const duration = new Histogram({
    name: "portolan_control_request_duration_seconds",
    help: "Time from first byte to answer",
    labelNames,
    buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [registry],
  });
  app.addHook("onResponse", async (request, reply) => {
    const labels = {
      method: request.method,
      route: request.routeOptions.url ?? "unmatched",
      status: `${Math.floor(reply.statusCode / 100)}xx`,
    };
    requests.inc(labels);
    duration.observe(labels, reply.elapsedTime / 1000);
  });
  return registry;
}
