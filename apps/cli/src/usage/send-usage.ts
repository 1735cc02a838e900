import type { UsageRecord } from "@portolan/metering";
import type { UsageReceipt } from "@portolan/metering/contract";
import type { ApiClient } from "../client/api-client.ts";

/** Sends records in parts, each of which is kept whole or not at all; whoever sends all of it again loses and doubles nothing. */
export async function sendUsage(
  api: ApiClient,
  order: { readonly source: string; readonly records: readonly UsageRecord[]; readonly replace: boolean },
  most: number,
): Promise<UsageReceipt> {
  const sum = { recorded: 0, known: 0, changedPeriods: new Set<string>() };
  for (let at = 0; at < order.records.length; at += most) {
    const records = order.records
      .slice(at, at + most)
      .map(({ id, meter, tenant, resource, quantity, start, end }) => ({
        id,
        meter,
        tenant,
        resource,
        quantity: quantity.toString(),
        start,
        end,
      }));
    const receipt = await api.json<UsageReceipt>({
      method: "POST",
      path: "/v1/usage/records",
      body: { source: order.source, records, replace: order.replace },
    });
    sum.recorded += receipt.recorded;
    sum.known += receipt.known;
    for (const period of receipt.changedPeriods) sum.changedPeriods.add(period);
  }
  return { ...sum, changedPeriods: [...sum.changedPeriods].toSorted() };
}
