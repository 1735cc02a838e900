import type { CallContext, UnitOfWork } from "@portolan/kernel";
import { endHold, findHold, type Hold, putHold } from "./hold-store.ts";
import type { Trigger } from "./policy/decide-retraining.ts";
import type { Champion, Permit } from "./ports.ts";

/** What one look at an endpoint found its trigger to wait for. */
export type Held = Pick<Hold, "trigger" | "because" | "by">;

export function heldBy(
  trigger: Trigger,
  { because, by }: Pick<Extract<Permit, { readonly kind: "no" }>, "because" | "by">,
): Held {
  return { trigger, because, by: [...by] };
}

/**
 * Keeps what the trigger of an endpoint waits for, from one look to the next. A ledger row says when it begins to wait, when it comes to wait for
 * something else, and when nothing would start a retraining any more; amounts in the words are no news.
 */
export async function settleHold(
  work: UnitOfWork,
  call: CallContext,
  champion: Champion,
  held: Held | undefined,
): Promise<void> {
  const { endpoint, environment } = champion;
  const before = await work.read(call, (sql) => findHold(sql, call.actor.organisationId, champion));
  if (!held && !before) return;
  const isNews = held?.trigger !== before?.trigger || held?.by.join() !== before?.by.join();
  if (!isNews && held?.because === before?.because) return;
  await work.write(call, async (tx) => {
    if (held) await putHold(tx, champion, { ...held, since: before?.since ?? tx.now });
    else await endHold(tx, champion);
    if (!isNews) return;
    await tx.record({
      event: held ? "retraining.trigger.held" : "retraining.trigger.lapsed",
      subject: `${environment}/${endpoint}`,
      detail: held
        ? { trigger: held.trigger, by: [...held.by], because: held.because.slice(0, 500) }
        : { trigger: before?.trigger ?? "" },
    });
  });
}
