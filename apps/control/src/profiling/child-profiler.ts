import { fileURLToPath } from "node:url";
import type { ObjectStore, PortolanError } from "@portolan/kernel";
import { notProfilable, type Profiler } from "@portolan/monitoring";
import { readOnnxModel, signatureOf } from "@portolan/onnx-format";
import { askWalledChild } from "../scoring/walled-child.ts";
import type { ProfileChildJob, ProfileChildReply } from "./profile-messages.ts";

const entry = fileURLToPath(new URL("./profile-child.ts", import.meta.url));
const limitMs = 10 * 60_000;
const memoryBytes = 4 * 2 ** 30;

/** Makes reference profiles in a child process that sees the model and the rows and nothing else. */
export function createChildProfiler(objects: ObjectStore): Profiler {
  return {
    async profile(request, signal) {
      const signature = signatureOf(readOnnxModel(await objects.get(request.model)));
      const job: ProfileChildJob = {
        modelPath: await objects.localPath(request.model),
        datasetPath: await objects.localPath(request.dataset),
        signature,
        features: request.features,
      };
      const walled = { entry, readable: [job.modelPath, job.datasetPath], memoryBytes, limitMs };
      const reply = await askWalledChild<ProfileChildReply>(walled, job, signal, refused);
      if (reply.kind === "refused") throw refused(reply.reason);
      return reply.data;
    },
  };
}

function refused(reason: string): PortolanError {
  return notProfilable(
    reason,
    "Name a training set whose feature columns, in their order, are the model's inputs.",
  );
}
