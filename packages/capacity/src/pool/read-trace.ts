import { PortolanError, parseInstant, type Violation } from "@portolan/kernel";
import type { CapacityErrorCode } from "../errors.ts";
import type { Machine, Pod } from "./machines.ts";
import { milliPerGpu } from "./machines.ts";
import type { Usage } from "./pooling.ts";

// Machines and pods have the columns of Alibaba's GPU traces (clusterdata, "openb"): openb_node_list_*.csv and openb_pod_list_*.csv.

const mostRows = 1_000_000;
const mostFaults = 20;

/**
 * @param text CSV with a header; columns `sn`, `cpu_milli`, `memory_mib`, `gpu`, `model`
 * @throws PortolanError `capacity.trace_not_valid` with the line of each finding
 */
export function readMachines(text: string, file: string): Machine[] {
  return rowsOf(text, { file, columns: ["sn", "cpu_milli", "memory_mib", "gpu", "model"] }, (cell) => {
    const model = cell.text("model");
    const gpus = cell.whole("gpu", 0, 64);
    if (gpus > 0 && model === "") cell.fault("model: a machine with cards needs their model");
    return {
      name: cell.text("sn"),
      cpuMilli: cell.whole("cpu_milli", 0, 1e9),
      memoryMib: cell.whole("memory_mib", 0, 1e9),
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
export function readPods(text: string, file: string): Pod[] {
  const columns = ["name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli"];
  return rowsOf(text, { file, columns }, (cell) => {
    const gpus = cell.whole("num_gpu", 0, 64);
    const gpuMilli = cell.whole("gpu_milli", 0, milliPerGpu);
    if (gpus > 0 && gpuMilli === 0) cell.fault("gpu_milli: a pod with cards asks for 1 to 1000 of each");
    if (gpus > 1 && gpuMilli !== milliPerGpu)
      cell.fault("gpu_milli: of several cards a pod takes all (1000)");
    const models = cell.text("gpu_spec");
    return {
      name: cell.text("name"),
      cpuMilli: cell.whole("cpu_milli", 0, 1e9),
      memoryMib: cell.whole("memory_mib", 0, 1e9),
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
export function readUsage(text: string, file: string): Usage[] {
  return rowsOf(text, { file, columns: ["at", "team", "gpus"] }, (cell) => ({
    at: cell.instant("at"),
    team: cell.text("team"),
    gpus: cell.whole("gpus", 0, 1_000_000),
  }));
}

interface Cells {
  instant(column: string): number;
  text(column: string): string;
  whole(column: string, least: number, most: number): number;
  fault(detail: string): void;
}

/** No cell of these traces is quoted. */
function rowsOf<T>(
  text: string,
  { file, columns }: { readonly file: string; readonly columns: readonly string[] },
  read: (cell: Cells) => T,
): T[] {
  const [header = "", ...lines] = text.replace(/^\uFEFF/, "").split(/\r?\n/);
  const names = header.split(",").map((name) => name.trim());
  const missing = columns.filter((column) => !names.includes(column));
  const faults: Violation[] = missing.map((column) => ({
    detail: `the header has no column ${column}`,
    at: { file, line: 1, column: 1 },
  }));
  if (lines.length > mostRows) faults.push({ detail: `it has more than ${mostRows} lines`, at: { file } });
  if (faults.length > 0) throw notValid(file, faults);
  const rows: T[] = [];
  for (const [index, line] of lines.entries()) {
    if (line.trim() === "" || faults.length >= mostFaults) continue;
    const values = line.split(",");
    const fault = (detail: string): void =>
      void faults.push({ detail, at: { file, line: index + 2, column: 1 } });
    if (values.length !== names.length) {
      fault(`it has ${values.length} values, the header ${names.length} columns`);
      continue;
    }
    const valueOf = (column: string): string => values[names.indexOf(column)]?.trim() ?? "";
    const whole = (column: string, least: number, most: number): number => {
      const value = Number(valueOf(column));
      if (valueOf(column) === "" || !Number.isInteger(value) || value < least || value > most)
        fault(
          `${column}: ${JSON.stringify(valueOf(column).slice(0, 40))} is no whole number of ${least} to ${most}`,
        );
      return value;
    };
    const instant = (column: string): number => {
      try {
        return parseInstant(valueOf(column));
      } catch {
        fault(
          `${column}: ${JSON.stringify(valueOf(column).slice(0, 40))} is no instant such as 2026-11-02T08:00:00Z`,
        );
        return 0;
      }
    };
    rows.push(read({ text: valueOf, whole, instant, fault }));
  }
  if (rows.length === 0) faults.push({ detail: "it has no rows", at: { file } });
  if (faults.length > 0) throw notValid(file, faults);
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
