import { join } from "node:path";
import { type Logger, systemClock } from "@portolan/kernel";
import { createOnnxRuntime, createQuarantine, defaultInlineMicros, findRunnerWalls } from "@portolan/onnx";
import type { ModelRuntime } from "@portolan/serving/policy";
import type { Metrics } from "@portolan/telemetry";
import { createUpstreamRuntime, openUpstreamAccess } from "@portolan/upstream";
import type { GatewayConfig } from "../config.ts";
import { ModelPool, type ModelPoolDeps } from "../snapshot/model-pool.ts";
import { ModelScaler, mostWorkers } from "./model-scaler.ts";

export interface OpenModelsDeps extends Pick<ModelPoolDeps, "cache" | "control"> {
  /** Where the gateway keeps what it knows of models that misbehaved. */
  readonly folder: string;
  readonly metrics: Metrics;
  readonly log: Logger;
}

export interface OpenModels {
  readonly pool: ModelPool;
  /** Ends what looks after the models; the models themselves go with the snapshot that needs them. */
  close(): void;
}

const loadTimeoutMs = 60_000;
const idleCheckMs = 1000;

/** The models of this process: how they run, how many workers they have, and how long they stay in memory. */
export function openModels(
  config: GatewayConfig,
  { folder, metrics, log, ...deps }: OpenModelsDeps,
): OpenModels {
  const memory = { maxBytes: config.MODELS_MEMORY * 2 ** 20, idleMs: config.MODELS_IDLE_S * 1000, log };
  const runtime = createRuntime(config, folder, log);
  const pool = new ModelPool({ ...deps, runtime, memory, mostWorkers: mostWorkers(config.WORKER_THREADS) });
  const idle = setInterval(() => void pool.sleepIdle(performance.now()), idleCheckMs).unref();
  const scaler = new ModelScaler({ models: () => pool.loaded(), log });
  scaler.start();
  metrics.onScrape(() => {
    const loaded = pool.loaded().filter(({ isLoaded }) => isLoaded).length;
    metrics.gauge("portolan_gateway_models_loaded", "Models in memory", {}, loaded);
    showMemory(metrics, pool);
  });
  return {
    pool,
    close() {
      scaler.close();
      clearInterval(idle);
    },
  };
}

const modelMemory = "portolan_gateway_model_memory_bytes";

/** The budget, what is used of it, and by whom: asleep a model takes nothing. */
function showMemory(metrics: Metrics, pool: ModelPool): void {
  const { heldBytes, maxBytes } = pool.memory;
  metrics.gauge("portolan_gateway_models_loaded_bytes", "Memory that models take together", {}, heldBytes);
  metrics.gauge(
    "portolan_gateway_models_budget_bytes",
    "Memory that models may take together; 0: no bound",
    {},
    maxBytes,
  );
  metrics.clear(modelMemory);
  for (const { label, memory, heldBytes: held } of pool.loaded())
    metrics.gauge(
      modelMemory,
      "Memory that a model takes with all its copies, by what was measured when it was registered or estimated",
      { model: label, basis: memory.basis },
      held,
    );
}

function createRuntime(config: GatewayConfig, folder: string, log: Logger): ModelRuntime {
  void findRunnerWalls().then(({ level: walls, ownAccount, networkBlocked }) =>
    log.info({ walls, ownAccount, networkBlocked }, "gateway.runner.walls"),
  );
  const here = createOnnxRuntime({
    quarantine: createQuarantine(join(folder, "quarantine.json"), systemClock),
    clock: systemClock,
    inlineMicros: defaultInlineMicros,
    loadTimeoutMs,
    memoryBytes: config.RUNNER_MEMORY * 2 ** 20,
  });
  const access = openUpstreamAccess(config.UPSTREAM_ALLOWED_HOSTS, config.UPSTREAM_CREDENTIALS);
  const elsewhere = createUpstreamRuntime({ access, log });
  return { load: (model) => (model.form === "upstream" ? elsewhere : here).load(model) };
}
