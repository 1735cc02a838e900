import { asEpochMicros, formatInstant } from "@portolan/kernel";
import { countedText } from "@portolan/metering";
import type { UsagePage } from "@portolan/metering/contract";

const columns = [
  "business_unit",
  "team",
  "use_case",
  "model",
  "environment",
  "resource",
  "quantity",
  "start",
  "end",
  "id",
  "meter",
  "source",
];

/** Records as a file that `portolan usage import` reads. */
export function exportText(records: UsagePage["records"], format: "csv" | "json"): string {
  if (format === "json") return `${JSON.stringify({ records }, null, 1)}\n`;
  const rows = records.map(({ tenant, resource, quantity, start, end, id, meter, source }) =>
    [
      tenant.businessUnit,
      tenant.team,
      tenant.useCase,
      tenant.model,
      tenant.environment,
      resource,
      countedText(BigInt(quantity), resource),
      formatInstant(asEpochMicros(start)),
      formatInstant(asEpochMicros(end)),
      id,
      meter,
      source,
    ].map(cell),
  );
  return `${[columns, ...rows].map((row) => row.join(",")).join("\n")}\n`;
}

/** What is read back has no quotes: a comma or a line's end in a name is written as a URL has it. */
function cell(text: string): string {
  return text.replaceAll(/[,\r\n"]/g, (sign) => encodeURIComponent(sign));
}
