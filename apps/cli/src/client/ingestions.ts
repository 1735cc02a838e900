import { setTimeout as delay } from "node:timers/promises";
import type { ApiClient } from "./api-client.ts";

/** An ingestion as `/v1/ingestions/:id` shows it. */
export interface Ingestion {
  readonly id: string;
  readonly contract: string;
  readonly state: "waiting" | "running" | "published" | "refused" | "failed" | "cancelled";
  readonly replayOf?: string;
  readonly counts?: { readonly accepted: number; readonly quarantined: number; readonly deadLetters: number };
  readonly rules?: Readonly<Record<string, number>>;
  readonly warnings?: readonly string[];
  readonly failures?: readonly string[];
  readonly datasetId?: string;
}

const pollMs = 200;

/** Waits for the end of an ingestion; it goes on when the waiting stops. */
export async function waitForIngestion(api: ApiClient, id: string): Promise<Ingestion> {
  for (;;) {
    const found = await api.json<Ingestion>({ path: `/v1/ingestions/${id}` });
    if (found.state !== "waiting" && found.state !== "running") return found;
    await delay(pollMs);
  }
}
