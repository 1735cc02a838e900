import { totalmem } from "node:os";
import { hasEmbeddedPostgres } from "@portolan/database/embedded";
import { onnxRuntimeProblem } from "@portolan/onnx/platform";
import { findIsolation } from "@portolan/training";
import {
  freeDiskBytes,
  isPortTaken,
  npmVersion,
  postgresAccount,
  pythons,
  writingProblem,
} from "./examine-machine.ts";
import {
  judgeDisk,
  judgeFolder,
  judgeIsolation,
  judgeMemory,
  judgeNode,
  judgeNpm,
  judgeOnnxRuntime,
  judgePort,
  judgePostgres,
  judgePython,
  judgeUser,
} from "./judge-machine.ts";
import { type DoctorReport, good, reportOf } from "./report.ts";

export interface DoctorOptions {
  /** The state folder that `portolan up` would use. */
  readonly home: string;
  /** True when DATABASE_URL is set: then no PostgreSQL need be here. */
  readonly databaseUrl: boolean;
  /** Ports that must be free; those of a Portolan that runs from this very home are its own and not asked. */
  readonly ports: readonly number[];
}

/** Examines this machine. Changes nothing beyond making the state folder. */
export async function runDoctor(options: DoctorOptions): Promise<DoctorReport> {
  const [npm, interpreters, folderProblem, freeBytes, account, isolation, onnx, taken] = await Promise.all([
    npmVersion(),
    pythons(),
    writingProblem(options.home),
    freeDiskBytes(options.home),
    postgresAccount(process.getuid?.()),
    findIsolation(),
    onnxRuntimeProblem(),
    Promise.all(options.ports.map(isPortTaken)),
  ]);
  const platform = `${process.platform}-${process.arch}`;
  return reportOf([
    judgeNode(process.versions.node),
    judgeNpm(npm),
    judgePython(interpreters),
    judgeIsolation(isolation),
    ...options.ports.map((port, index) => judgePort(port, taken[index] ?? false)),
    ...(options.ports.length === 0 ? [good("ports", "Portolan runs here already")] : []),
    judgeFolder(options.home, folderProblem),
    judgeDisk(freeBytes),
    judgeMemory(totalmem()),
    judgePostgres(hasEmbeddedPostgres(), platform, options.databaseUrl),
    judgeOnnxRuntime(onnx, platform),
    judgeUser(process.getuid?.(), account),
  ]);
}
