import type { Sql } from "@portolan/kernel";
import { allLogs } from "../log/log-store.ts";
import { onlineHeader } from "../online-header.ts";
import type { OnlineState, OnlineStore, OnlineViewHeader, OnlineViewKey, ValueState } from "../ports.ts";
import { findView } from "../store.ts";
import { isEventView } from "../view-model.ts";

interface Place {
  readonly organisationId: string;
  readonly environment: string;
  /** `name@version`. */
  readonly view: string;
}
export type PlacedState = OnlineState & Place;
export type PlacedValueState = ValueState & Place;

/** Views that have logs, of so many logs at most: of windows over their events, and of values. */
export async function loggedViews(
  sql: Sql,
  most: number,
): Promise<{ readonly windows: readonly OnlineViewHeader[]; readonly values: readonly OnlineViewHeader[] }> {
  const windows: OnlineViewHeader[] = [];
  const values: OnlineViewHeader[] = [];
  for (const { organisation_id: organisationId, environment, view: reference } of await allLogs(sql, most)) {
    const [name = "", version] = reference.split("@");
    const view = (await findView(sql, organisationId, name, Number(version)))?.body;
    if (view)
      (isEventView(view) ? windows : values).push(onlineHeader({ organisationId, environment, view }));
  }
  return { windows, values };
}

/** What the windows of those of the views take that are online. */
export function onlineStates(
  online: Pick<OnlineStore, "windowState">,
  views: readonly OnlineViewHeader[],
): Promise<PlacedState[]> {
  return placed(views, (view) => online.windowState(view));
}

/** What the values of those of the views take that are online. */
export function valueStates(
  online: Pick<OnlineStore, "valueState">,
  views: readonly OnlineViewHeader[],
): Promise<PlacedValueState[]> {
  return placed(views, (view) => online.valueState(view));
}

/** Each place once: logs of several use cases may be of one. */
async function placed<State>(
  views: readonly OnlineViewHeader[],
  stateOf: (view: OnlineViewKey) => Promise<State | undefined>,
): Promise<(State & Place)[]> {
  const found = new Map<string, State & Place>();
  for (const header of views) {
    const { organisationId, environment, view } = header;
    const state = await stateOf(header);
    const place = { organisationId, environment, view };
    if (state) found.set(JSON.stringify(place), { ...state, ...place });
  }
  return [...found.values()];
}
