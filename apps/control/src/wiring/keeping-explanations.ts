import { type CharterDeps, inForceCharter, termsOf } from "@portolan/charter";
import { type ChooseDeps, type KeepDeps, keepExplanations } from "@portolan/evaluation";
import {
  type CallContext,
  type Clock,
  type Id,
  type Logger,
  messageOf,
  newId,
  systemActor,
} from "@portolan/kernel";
import { recordBatchDigest } from "@portolan/ledger";
import { type PredictionsDeps, readBlock } from "@portolan/predictions";
import type { ExplainingWiring } from "./explaining.ts";
import type { Foundation } from "./foundation.ts";

const lookEveryMs = 1000;

/** For accepted blocks: what charters have explained without anybody asking. */
export function chooseDeps({ work }: Foundation, charter: CharterDeps): ChooseDeps {
  return {
    work,
    charters: {
      termsFor: async (call, useCaseId) => {
        const found = await inForceCharter(charter, call, { useCaseId });
        return found && termsOf(found.charter).explanations;
      },
    },
  };
}

export function keepDeps(
  { work, clock }: Foundation,
  { explain }: ExplainingWiring,
  predictions: PredictionsDeps,
): KeepDeps {
  return {
    work,
    clock,
    deployments: explain.deployments,
    explainer: explain.explainer,
    records: { ofBlock: (call, block) => readBlock(predictions, call, block) },
    recordBatch: recordBatchDigest,
  };
}

/**
 * Explains what waits, from time to time: one organisation after the other, a round of each, until nothing is left. `stop` ends the process of a round; what it had not kept waits for the
 * next start.
 */
export function startKeeping(
  deps: KeepDeps,
  organisations: () => Promise<readonly Id<"organisation">[]>,
  clock: Clock,
  log: Logger,
): { stop(): Promise<void> } {
  const stopped = new AbortController();
  const { signal } = stopped;
  const rounds = async (): Promise<void> => {
    let done: number;
    do {
      done = 0;
      for (const organisationId of await organisations()) {
        if (signal.aborted) return;
        done += await roundOf(deps, callOf(organisationId, clock), signal, log);
      }
    } while (done > 0);
  };
  let running: Promise<void> | undefined;
  const timer = setInterval(() => {
    running ??= rounds()
      .catch((error: unknown) => log.error({ error: messageOf(error) }, "evaluation.explaining.failed"))
      .finally(() => {
        running = undefined;
      });
  }, lookEveryMs);
  return {
    stop: async () => {
      clearInterval(timer);
      stopped.abort();
      await running;
    },
  };
}

/** One organisation's fault keeps no other one waiting. */
async function roundOf(deps: KeepDeps, call: CallContext, signal: AbortSignal, log: Logger): Promise<number> {
  try {
    const done = await keepExplanations(deps, call, signal);
    if (done > 0) log.info({ organisationId: call.actor.organisationId, done }, "evaluation.explained");
    return done;
  } catch (error) {
    if (!signal.aborted)
      log.error(
        { organisationId: call.actor.organisationId, error: messageOf(error) },
        "evaluation.explaining.failed",
      );
    return 0;
  }
}

function callOf(organisationId: Id<"organisation">, clock: Clock): CallContext {
  return { actor: systemActor("control", organisationId), requestId: newId("request", clock.now()) };
}
