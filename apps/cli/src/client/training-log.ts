import { setTimeout as delay } from "node:timers/promises";
import type { TrainingLog } from "@portolan/training/contract";
import type { ApiClient } from "./api-client.ts";

const pollMs = 500;

/**
 * Writes a run's log as it comes, piece by piece.
 * @param follow whether to stay until the run is over
 */
export async function streamTrainingLog(
  api: ApiClient,
  id: string,
  follow: boolean,
  write: (text: string) => void,
): Promise<void> {
  for (let after = 0; ; ) {
    const path = `/v1/training-runs/${encodeURIComponent(id)}/logs?after=${after}`;
    const { log, nextByte, isOver } = await api.json<TrainingLog>({ path });
    if (log !== "") write(log);
    const isWhole = nextByte === after;
    after = nextByte;
    if (isOver || (isWhole && !follow)) return;
    if (isWhole) await delay(pollMs);
  }
}
