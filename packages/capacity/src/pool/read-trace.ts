import { type CsvRow, type CsvTable, readCsv } from "@portolan/csv-source";
import { PortolanError, parseInstant, type Violation } from "@portolan/kernel";
import type { CapacityErrorCode } from "../errors.ts";
import type { Machine, Pod } from "./machines.ts";
import { milliPerGpu } from "./machines.ts";
import type { Usage } from "./pooling.ts";

// Machines and pods have the columns of Alibaba's GPU traces (clusterdata, "openb"): openb_node_list_*.csv and openb_pod_list_*.csv.

/**
 * @param text CSV with a header; columns `sn`, `cpu_milli`, `memory_mib`, `gpu`, `model`
 * @throws PortolanError `capacity.trace_not_valid` with the line of each finding
 */
export function readMachines(text: string, file: string): readonly Machine[] {
  return rowsOf({ text, file, columns: ["sn", "cpu_milli", "memory_mib", "gpu", "model"] }, (row) => {
    const model = row.text("model");
    const gpus = row.whole("gpu", 0, 64);
    if (gpus > 0 && model === "") row.fault("model: a machine with cards needs their model");
    return {
      name: row.text("sn"),
      cpuMilli: row.whole("cpu_milli", 0, 1e9),
      memoryMib: row.whole("memory_mib", 0, 1e9),
      gpus,
      ...(model === "" ? {} : { model }),
    };
  });
}

/**
 * @param text CSV with a header; columns `name`, `cpu_milli`, `memory_mib`, `num_gpu`, `gpu_milli`, and where models are asked for `gpu_spec` with `|`
 *   between them; others are ignored
 * @throws PortolanError `capacity.trace_not_valid` with the line of each finding
 */
export function readPods(text: string, file: string): readonly Pod[] {
  const columns = ["name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli"];
  return rowsOf({ text, file, columns }, (row) => {
    const gpus = row.whole("num_gpu", 0, 64);
    const gpuMilli = row.whole("gpu_milli", 0, milliPerGpu);
    if (gpus > 0 && gpuMilli === 0) row.fault("gpu_milli: a pod with cards asks for 1 to 1000 of each");
    if (gpus > 1 && gpuMilli !== milliPerGpu) row.fault("gpu_milli: of several cards a pod takes all (1000)");
    const models = row.text("gpu_spec");
    return {
      name: row.text("name"),
      cpuMilli: row.whole("cpu_milli", 0, 1e9),
      memoryMib: row.whole("memory_mib", 0, 1e9),
      gpus,
      gpuMilli: gpus === 0 ? 0 : gpuMilli,
      models: models === "" ? [] : models.split("|"),
    };
  });
}

/**
 * @param text CSV with a header; columns `at` (RFC 3339), `team`, `gpus`: cards in use from then on
 * @throws PortolanError `capacity.trace_not_valid` with the line of each finding
 */
export function readUsage(text: string, file: string): readonly Usage[] {
  return rowsOf({ text, file, columns: ["at", "team", "gpus"] }, (row) => ({
    at: instantOf(row, "at"),
    team: row.text("team"),
    gpus: row.whole("gpus", 0, 1_000_000),
  }));
}

function instantOf(row: CsvRow, column: string): number {
  try {
    return parseInstant(row.text(column));
  } catch {
    row.fault(
      `${column}: ${JSON.stringify(row.text(column).slice(0, 40))} is no instant such as 2026-11-02T08:00:00Z`,
    );
    return 0;
  }
}

function rowsOf<T>(table: CsvTable, read: (row: CsvRow) => T): readonly T[] {
  const { rows, faults } = readCsv(table, read);
  if (faults.length > 0) throw notValid(table.file, faults);
  return rows;
}

function notValid(file: string, violations: readonly Violation[]): PortolanError<CapacityErrorCode> {
  const [first] = violations;
  const line = first?.at?.line === undefined ? "" : ` line ${first.at.line}`;
  return new PortolanError<CapacityErrorCode>("capacity.trace_not_valid", {
    detail: `${file}${line}: ${first?.detail ?? "not valid"}`,
    mend: "Write it as Alibaba's openb traces are: docs/gpu-pools.md shows both files.",
    violations,
  });
}
