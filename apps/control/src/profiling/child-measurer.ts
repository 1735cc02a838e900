import { readdirSync } from "node:fs";
import { arch, availableParallelism, cpus, loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { type ObjectStore, PortolanError } from "@portolan/kernel";
import { readOnnxModel, signatureOf } from "@portolan/onnx-format";
import type { ComputeMeasurer } from "@portolan/registry";
import type { ComputeProfile } from "@portolan/registry/contract";
import ortPackage from "onnxruntime-node/package.json" with { type: "json" };
import { askWalledChild } from "../scoring/walled-child.ts";
import type { ComputeJob, ComputeReply } from "./compute-messages.ts";

const entry = fileURLToPath(new URL("./compute-child.ts", import.meta.url));
const limitMs = 2 * 60_000;
const memoryBytes = 4 * 2 ** 30;

/** Measures models in a child process that sees the model and nothing else. */
export function createChildMeasurer(objects: ObjectStore): ComputeMeasurer {
  return {
    async measure(model, signal) {
      const bytes = await objects.get(model);
      const job: ComputeJob = {
        modelPath: await objects.localPath(model),
        signature: signatureOf(readOnnxModel(bytes)),
      };
      const walled = { entry, readable: [job.modelPath], memoryBytes, limitMs };
      const reply = await askWalledChild<ComputeReply>(walled, job, signal, notMeasured);
      if (reply.kind === "refused") throw notMeasured(reply.reason);
      const { loadMicros, single, batches, loadedBytes, peakBytes } = reply.measured;
      return {
        format: 1,
        artifact: model,
        runtime: `onnxruntime-node ${ortPackage.version}`,
        threads: 1,
        machine: machine(),
        loadMicros,
        single,
        batches,
        memory: { modelBytes: bytes.length, loadedBytes, peakBytes },
      };
    },
  };
}

function machine(): ComputeProfile["machine"] {
  return {
    cpu: cpus()[0]?.model.trim() || "unknown",
    cores: availableParallelism(),
    architecture: arch(),
    gpus: gpus(),
    loadAverage: Number((loadavg()[0] ?? 0).toFixed(2)),
  };
}

/** What the kernel shows of NVIDIA's; the runtime here runs on processors alone, so they are named and not measured. */
function gpus(): string[] {
  try {
    return readdirSync("/dev").filter((name) => /^nvidia\d+$/.test(name));
  } catch {
    return [];
  }
}

function notMeasured(reason: string): PortolanError {
  return new PortolanError("registry.not_measurable", {
    detail: reason,
    mend: "Load the model elsewhere with the same runtime: it may need an operator or a datatype that is not there.",
  });
}
