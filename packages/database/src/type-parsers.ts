import { PortolanError } from "@portolan/kernel";
import { type CustomTypesConfig, types } from "pg";

const int8 = 20;
const int8Array = 1016;

/**
 * int8 arrives as a JS number, and a value beyond 2^53 is an error instead of a wrong number; numeric stays
 * text. Everything else is the driver's default.
 */
export const columnTypes: CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: "text" | "binary") => {
    if (format === "binary") return types.getTypeParser(oid, "binary");
    if (oid === int8) return parseInt8;
    if (oid === int8Array) return parseInt8Array;
    return types.getTypeParser(oid, "text");
  }) as CustomTypesConfig["getTypeParser"],
};

export function parseInt8(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) {
    throw new PortolanError("database.number_out_of_range", {
      detail: `${text} does not fit a safe integer`,
    });
  }
  return value;
}

function parseInt8Array(text: string): (number | null)[] {
  const parts = types.getTypeParser(int8Array as number, "text")(text) as (string | null)[];
  return parts.map((part) => (part === null ? null : parseInt8(part)));
}
