import type { Sql } from "@portolan/kernel";
import { allLogs } from "../log/log-store.ts";
import { onlineHeader } from "../online-header.ts";
import type { OnlineState, OnlineStore } from "../ports.ts";
import { findView } from "../store.ts";
import { isEventView } from "../view-model.ts";

export interface PlacedState extends OnlineState {
  readonly organisationId: string;
  readonly environment: string;
  /** `name@version`. */
  readonly view: string;
}

/** What the windows of each view take that are online, of so many logs at most. */
export async function onlineStates(
  sql: Sql,
  online: Pick<OnlineStore, "windowState">,
  most: number,
): Promise<PlacedState[]> {
  const found = new Map<string, PlacedState>();
  for (const { organisation_id: organisationId, environment, view: reference } of await allLogs(sql, most)) {
    const [name = "", version] = reference.split("@");
    const view = (await findView(sql, organisationId, name, Number(version)))?.body;
    if (!view || !isEventView(view)) continue;
    const state = online.windowState(onlineHeader({ organisationId, environment, view }));
    const place = { organisationId, environment, view: reference };
    if (state) found.set(JSON.stringify(place), { ...state, ...place });
  }
  return [...found.values()];
}
