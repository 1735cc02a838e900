import { createHash } from "node:crypto";
import { type CsvRow, readCsv } from "@portolan/csv-source";
import {
  asEpochMicros,
  type EpochMicros,
  messageOf,
  PortolanError,
  parseInstant,
  type Violation,
} from "@portolan/kernel";
import type { MeteringErrorCode } from "../errors.ts";
import { boundsOf, type Period } from "./period.ts";
import { countedAs, parseCounted } from "./resources.ts";
import { type UsageRecord, type UsageTenant, usageLevels } from "./usage-record.ts";

/**
 * Records of a CSV file with a header. Columns `business_unit,team,resource,quantity`, and where they are there `use_case,model,environment,id,meter,start,end`.
 * Without `start` and `end`, as in a statement's file, a line is of the whole month; without `id`, it is one with its tenant and resource, so that the
 * same file again is the same records.
 *
 * @param period month of lines that have no times
 * @throws PortolanError `metering.file_not_valid` with the line of each finding
 */
export function readUsageRecords(
  text: string,
  file: string,
  source: string,
  period: Period | undefined,
): UsageRecord[] {
  const columns = ["business_unit", "team", "resource", "quantity"];
  const { rows, faults } = readCsv({ text, file, columns }, (row) => recordOf(row, source, period));
  if (faults.length > 0) throw fileNotValid(file, faults);
  return rows.flatMap((row) => (row ? [row] : []));
}

function recordOf(row: CsvRow, source: string, period: Period | undefined): UsageRecord | undefined {
  const tenant = {
    businessUnit: row.named("business_unit"),
    team: row.text("team"),
    useCase: row.text("use_case"),
    model: row.text("model"),
    environment: row.text("environment"),
  };
  const resource = row.named("resource");
  if (!/^[a-z][a-z0-9_]{0,59}$/.test(resource))
    row.fault(`resource: ${JSON.stringify(resource.slice(0, 60))} is no name such as gpu_hours`);
  const counted = countedAs(resource);
  const quantity = parseCounted(row.text("quantity"), counted);
  if (quantity === undefined)
    row.fault(
      `quantity: ${JSON.stringify(row.text("quantity").slice(0, 40))} is no decimal of 0 or more, nor a part such as 3/7, in whole numbers of ${counted.unit}`,
    );
  const stretch = stretchOf(row, period);
  if (!stretch || quantity === undefined) return undefined;
  const meter = row.text("meter") || usageLevels.map((level) => encodeURIComponent(tenant[level])).join("/");
  const id = row.text("id") || idOf([tenant, resource, meter, stretch.start, stretch.end]);
  return { source, id, meter, tenant, resource, quantity, ...stretch };
}

function stretchOf(row: CsvRow, period: Period | undefined) {
  const [start, end] = [row.text("start"), row.text("end")];
  if (start === "" && end === "") {
    if (period === undefined) row.fault("it has no start and end, and no month is named");
    return period === undefined ? undefined : boundsOf(period);
  }
  const [from, to] = [instantOf(row, "start"), instantOf(row, "end")];
  return from === undefined || to === undefined ? undefined : { start: from, end: to };
}

function instantOf(row: CsvRow, column: string): EpochMicros | undefined {
  try {
    return parseInstant(row.text(column));
  } catch (error) {
    row.fault(`${column}: ${error instanceof PortolanError ? (error.detail ?? "") : messageOf(error)}`);
    return undefined;
  }
}

/** Of what makes a record itself; its quantity may be corrected. */
export function idOf(parts: readonly (UsageTenant | string | number)[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 40);
}

/**
 * Records as `portolan usage export` writes them in JSON: `{"records": […]}`.
 *
 * @throws PortolanError `metering.file_not_valid`
 */
export function readUsageJson(text: string, file: string, source: string): UsageRecord[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw fileNotValid(file, [{ detail: `it is no JSON: ${messageOf(error)}`, at: { file } }]);
  }
  const records = typeof value === "object" && value !== null && "records" in value ? value.records : value;
  if (!Array.isArray(records) || records.length === 0)
    throw fileNotValid(file, [{ detail: "it has no records", at: { file } }]);
  const faults: Violation[] = [];
  const read = records.flatMap((one: unknown, index) => {
    const record = jsonRecord(one, source);
    if (!record && faults.length < 20)
      faults.push({
        detail: `record ${index} lacks a member, or has one of another type`,
        at: { file, pointer: `/records/${index}` },
      });
    return record ? [record] : [];
  });
  if (faults.length > 0) throw fileNotValid(file, faults);
  return read;
}

function jsonRecord(value: unknown, source: string): UsageRecord | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const of = new Map<string, unknown>(Object.entries(value));
  const text = (name: string, from = of) => {
    const found = from.get(name);
    return typeof found === "string" ? found : undefined;
  };
  const tenant = of.get("tenant");
  const names = new Map<string, unknown>(
    typeof tenant === "object" && tenant !== null ? Object.entries(tenant) : [],
  );
  const [id, meter, resource, quantity] = ["id", "meter", "resource", "quantity"].map((name) => text(name));
  const [start, end] = [of.get("start"), of.get("end")];
  if (!id || !meter || !resource || quantity === undefined || !/^\d{1,36}$/.test(quantity)) return undefined;
  if (typeof start !== "number" || typeof end !== "number") return undefined;
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end)) return undefined;
  const name = (of: string) => text(of, names) ?? "";
  return {
    source,
    id,
    meter,
    tenant: {
      businessUnit: name("businessUnit"),
      team: name("team"),
      useCase: name("useCase"),
      model: name("model"),
      environment: name("environment"),
    },
    resource,
    quantity: BigInt(quantity),
    start: asEpochMicros(start),
    end: asEpochMicros(end),
  };
}

function fileNotValid(file: string, violations: readonly Violation[]): PortolanError<MeteringErrorCode> {
  const [first] = violations;
  const line = first?.at?.line === undefined ? "" : ` line ${first.at.line}`;
  return new PortolanError<MeteringErrorCode>("metering.file_not_valid", {
    detail: `${file}${line}: ${first?.detail ?? "not valid"}`,
    mend: "docs/metering.md shows the files that are read.",
    violations,
  });
}
