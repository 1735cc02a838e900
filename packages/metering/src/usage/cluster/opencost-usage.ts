import { type EpochMicros, PortolanError, parseInstant } from "@portolan/kernel";
import type { MeteringErrorCode } from "../../errors.ts";
import { countedAs } from "../resources.ts";
import type { UsageRecord } from "../usage-record.ts";
import { podTenant } from "./pod-tenant.ts";
import { wholeOf } from "./prometheus-usage.ts";

/** OpenCost's hours of bytes are of a byte, the price book's of a gibibyte or, for disks, a gigabyte and a month. */
const fields = [
  { field: "cpuCoreHours", resource: "cpu_hours", under: 1n },
  { field: "gpuHours", resource: "gpu_hours", under: 1n },
  { field: "ramByteHours", resource: "memory_gib_hours", under: 2n ** 30n },
  { field: "pvByteHours", resource: "storage_gb_months", under: 10n ** 9n * 730n },
  { field: "networkTransferBytes", resource: "egress_gb", under: 10n ** 9n },
] as const;

/**
 * Records of what OpenCost's `/allocation/compute` answers. Rows of OpenCost's own (`__idle__`, `__unmounted__`) are nobody's usage and left out.
 *
 * @throws PortolanError `metering.collection_failed` where the answer is of another form
 */
export function openCostUsage(answer: unknown, source: string): UsageRecord[] {
  const sets = membersOf(answer).get("data");
  if (!Array.isArray(sets)) throw unknownForm("it has no data");
  const records: UsageRecord[] = [];
  for (const set of sets)
    for (const [name, allocation] of membersOf(set)) {
      if (name.startsWith("__")) continue;
      const of = membersOf(allocation);
      const [start, end] = [instantIn(of, "start"), instantIn(of, "end")];
      const properties = membersOf(of.get("properties"));
      const labels = new Map<string, string>();
      for (const [label, value] of membersOf(properties.get("labels")))
        if (typeof value === "string") labels.set(label, value);
      const namespace = properties.get("namespace");
      const tenant = podTenant(typeof namespace === "string" ? namespace : name, labels);
      for (const { field, resource, under } of fields) {
        const value = of.get(field);
        if (value === undefined || value === null) continue;
        if (typeof value !== "number" || value < 0)
          throw unknownForm(`${name} has ${field} ${JSON.stringify(value)}`);
        const quantity = wholeOf(value, countedAs(resource).perUnit / under);
        if (quantity > 0n)
          records.push({
            source,
            id: `${name}/${resource}/${start / 1_000_000}`,
            meter: name,
            tenant,
            resource,
            quantity,
            start,
            end,
          });
      }
    }
  return records;
}

function membersOf(value: unknown): ReadonlyMap<string, unknown> {
  return new Map<string, unknown>(typeof value === "object" && value !== null ? Object.entries(value) : []);
}

function instantIn(of: ReadonlyMap<string, unknown>, name: string): EpochMicros {
  const text = of.get(name);
  if (typeof text !== "string") throw unknownForm(`an allocation has no ${name}`);
  return parseInstant(text);
}

function unknownForm(detail: string): PortolanError<MeteringErrorCode> {
  return new PortolanError<MeteringErrorCode>("metering.collection_failed", {
    detail: `OpenCost's answer is of another form: ${detail}`,
    mend: "Ask /allocation/compute of OpenCost 1.x.",
  });
}
