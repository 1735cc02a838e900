import { type CallContext, digestJson, newId } from "@portolan/kernel";
import type { StoredPrediction } from "../contract.ts";
import { getPrediction } from "./read-predictions.ts";
import type { RecordReadsDeps } from "./record-reads.ts";

/** Of one read; a page may hold records of more endpoints. */
const mostNamed = 20;

/**
 * Puts into the ledger who read records of predictions, which hold inputs, features and whom they are about: one leaf for each use case of what
 * is given out, in the reader's name and for the purpose that they stated, before it is given out. Which records they were, their digest says.
 */
export async function recordAccess(
  { uow, recordBatch }: RecordReadsDeps,
  call: CallContext,
  predictions: readonly StoredPrediction[],
): Promise<void> {
  if (predictions.length === 0) return;
  const byUseCase = Map.groupBy(predictions, ({ header: { context } }) => context.useCaseId);
  await uow.write(call, async (tx) => {
    for (const [useCaseId, read] of byUseCase) {
      const [first, ...others] = read.map(({ header }) => header.id);
      const endpoints = [...new Set(read.map(({ header: { context } }) => context.endpoint))].sort();
      const environments = [...new Set(read.map(({ header: { context } }) => context.environment))].sort();
      await recordBatch(tx, {
        event: "predictions.records.read",
        subject: others.length === 0 && first !== undefined ? first : useCaseId,
        digest: digestJson(read.map(({ header }) => header.id)),
        count: read.length,
        key: `predictions.read:${newId("request", tx.now)}`,
        detail: { useCaseId, environments, endpoints: endpoints.slice(0, mostNamed) },
      });
    }
  });
}

/** One record for somebody who asked, whatever they are then shown of it: that they read it is in the ledger first. @throws as `getPrediction` */
export async function readPrediction(
  deps: Parameters<typeof getPrediction>[0] & RecordReadsDeps,
  call: CallContext,
  id: string,
): Promise<StoredPrediction> {
  const prediction = await getPrediction(deps, call, id);
  await recordAccess(deps, call, [prediction]);
  return prediction;
}
