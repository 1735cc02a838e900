import { type CallContext, PortolanError } from "@portolan/kernel";
import type { EventPage } from "./contract.ts";
import { listStoredEvents } from "./store/events.ts";
import { type ReadDeps, visibleAudiences } from "./visible.ts";

/**
 * Events as they came, newest first.
 *
 * @param page.after `nextPage` of the page before
 */
export async function listEvents(
  deps: ReadDeps,
  call: CallContext,
  page: { readonly after?: string; readonly limit: number },
): Promise<EventPage> {
  const before = page.after === undefined ? undefined : pageOf(page.after);
  const audiences = await visibleAudiences(deps, call);
  const { organisationId } = call.actor;
  const { limit } = page;
  const found = await deps.work.read(call, (sql) =>
    listStoredEvents(sql, { organisationId, audiences }, { limit: limit + 1, ...(before ? { before } : {}) }),
  );
  const shown = found.slice(0, limit);
  const last = shown.at(-1);
  return {
    events: shown.map(({ body }) => body),
    ...(found.length > limit && last ? { nextPage: String(last.id) } : {}),
  };
}

function pageOf(text: string): number {
  const number = Number(text);
  if (/^[1-9]\d{0,15}$/.test(text) && Number.isSafeInteger(number)) return number;
  throw new PortolanError("kernel.bad_request", {
    detail: `${JSON.stringify(text.slice(0, 40))} is no page`,
    mend: "Send `nextPage` of the answer before as it is.",
    at: { pointer: "/page" },
  });
}
