import type { UsagePage } from "@portolan/metering/contract";
import type { ApiClient } from "../client/api-client.ts";

/** Each record of a month that the caller may see. */
export async function usageRecords(api: ApiClient, period: string): Promise<UsagePage["records"]> {
  const records: UsagePage["records"] = [];
  let after: string | null = "";
  while (after !== null) {
    const query: URLSearchParams = new URLSearchParams({ period, ...(after === "" ? {} : { after }) });
    const page: UsagePage = await api.json<UsagePage>({ path: `/v1/usage/records?${query.toString()}` });
    records.push(...page.records);
    after = page.next;
  }
  return records;
}
