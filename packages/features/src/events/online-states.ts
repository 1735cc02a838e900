import type { Sql } from "@portolan/kernel";
import { allLogs } from "../log/log-store.ts";
import { onlineHeader } from "../online-header.ts";
import type { OnlineState, OnlineStore, OnlineViewHeader } from "../ports.ts";
import { findView } from "../store.ts";
import { isEventView } from "../view-model.ts";

export interface PlacedState extends OnlineState {
  readonly organisationId: string;
  readonly environment: string;
  /** `name@version`. */
  readonly view: string;
}

/** Views of windows that have logs, of so many logs at most. */
export async function windowViews(sql: Sql, most: number): Promise<OnlineViewHeader[]> {
  const found: OnlineViewHeader[] = [];
  for (const { organisation_id: organisationId, environment, view: reference } of await allLogs(sql, most)) {
    const [name = "", version] = reference.split("@");
    const view = (await findView(sql, organisationId, name, Number(version)))?.body;
    if (view && isEventView(view)) found.push(onlineHeader({ organisationId, environment, view }));
  }
  return found;
}

/** What the windows of those of the views take that are online. */
export async function onlineStates(
  online: Pick<OnlineStore, "windowState">,
  views: readonly OnlineViewHeader[],
): Promise<PlacedState[]> {
  const found = new Map<string, PlacedState>();
  for (const header of views) {
    const { organisationId, environment, view } = header;
    const state = await online.windowState(header);
    const place = { organisationId, environment, view };
    if (state) found.set(JSON.stringify(place), { ...state, ...place });
  }
  return [...found.values()];
}
