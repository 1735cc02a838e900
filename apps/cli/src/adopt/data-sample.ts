import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ColumnSummary } from "@portolan/adoption";
import { createDuckDbEngine } from "@portolan/duckdb";
import { isPortolanError, PortolanError } from "@portolan/kernel";
import type { CliErrorCode } from "../errors.ts";

/** What the columns of a CSV file are, by the engine behind its walls. @throws PortolanError `cli.bad_file` */
export async function summariseCsv(path: string): Promise<ColumnSummary[]> {
  const workFolder = await mkdtemp(join(tmpdir(), "portolan-adopt-data-"));
  try {
    const { rows } = await createDuckDbEngine().run({
      statements: [
        {
          sql: `SELECT column_name, column_type, min, max, null_percentage::DOUBLE AS nulls FROM (SUMMARIZE SELECT * FROM read_csv('${path.replaceAll("'", "''")}', header = true))`,
          returns: "columns",
        },
      ],
      readable: [path],
      workFolder,
      timeoutMs: 60_000,
    });
    return (rows["columns"] ?? []).map((row) => ({
      name: String(row["column_name"]),
      type: String(row["column_type"]),
      nullPercent: Number(row["nulls"]),
      ...(typeof row["min"] === "string" && typeof row["max"] === "string"
        ? { least: row["min"], most: row["max"] }
        : {}),
    }));
  } catch (cause) {
    if (!isPortolanError(cause)) throw cause;
    throw new PortolanError<CliErrorCode>("cli.bad_file", {
      detail: `${path} cannot be read as CSV: ${(cause.detail ?? cause.code).split("\n")[0] ?? ""}`,
      mend: "Give a CSV file with a header.",
      cause,
    });
  } finally {
    await rm(workFolder, { recursive: true, force: true });
  }
}
