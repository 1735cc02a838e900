import { readFileSync } from "node:fs";
import type { IntentHandler } from "@portolan/database";
import { createRayBackend, readRaySettings } from "@portolan/ray";
import { beginAttempt, findRunFile } from "@portolan/tracking";
import { type RemoteTrainingBackend, stopTrainerIntent } from "@portolan/training";
import type { Foundation } from "./foundation.ts";

/** Training runs on the cluster that the operator configured; `undefined` where there is none. */
export function wireRay({ config, objects, work, clock }: Foundation): RemoteTrainingBackend | undefined {
  const { RAY_CA_FILE: caFile } = config;
  const settings = readRaySettings(config, caFile === undefined ? undefined : readFileSync(caFile, "utf8"));
  if (!settings) return undefined;
  return createRayBackend({
    settings,
    objects,
    clock,
    tracking: {
      grant: async (call, attempt) => (await beginAttempt({ work, clock }, call, attempt)).token,
      findFile: (call, runId, path) => findRunFile({ work }, call, runId, path),
    },
  });
}

/** Ends trainers on the cluster whose runs have ended: also once a cluster that was away is back. */
export function stopTrainerHandler(ray: RemoteTrainingBackend): IntentHandler {
  return {
    kind: stopTrainerIntent,
    perform: async ({ payload }) => {
      const { runId } = payload;
      if (typeof runId === "string") await ray.stop(runId);
      return null;
    },
  };
}
