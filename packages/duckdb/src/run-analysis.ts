import type { ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { AnalysisEngine, AnalysisRequest, AnalysisResult } from "@portolan/data/contract";
import { linesOf, PortolanError } from "@portolan/kernel";
import { spawnWalledNode } from "@portolan/sandbox";
import type { ChildMessage, ChildRequest } from "./messages.ts";
import { measureFolder, watchFolder, withinFreeSpace } from "./work-folder.ts";

export interface DuckDbLimits {
  /** Threads of one analysis when the request says nothing. */
  readonly threads?: number;
  readonly memoryLimitBytes?: number;
  readonly spillLimitBytes?: number;
  readonly outputLimitBytes?: number;
  readonly outputLimitFiles?: number;
}

const childFile = fileURLToPath(new URL("./analysis-child.ts", import.meta.url));
const gib = 2 ** 30;
/** Three million flights need 2 GiB of neither; a run that needs more than this is a mistake or an attack. */
const defaults = {
  threads: 2,
  memoryLimitBytes: 2 * gib,
  spillLimitBytes: 16 * gib,
  outputLimitBytes: 32 * gib,
  outputLimitFiles: 1000,
};

/** The analysis engine: each run is a process of its own, so that a fault or a full memory never reaches the caller. */
export function createDuckDbEngine(limits: DuckDbLimits = {}): AnalysisEngine {
  return {
    run: (request) => runAnalysis({ ...limits, ...request }),
  };
}

/**
 * Runs statements in a child process that is ended by SIGKILL on abort, past `timeoutMs`, or when it writes more than
 * its limits allow. Without a statement nothing is started.
 *
 * @throws PortolanError `data.analysis_failed`, `data.analysis_too_large` or `data.analysis_cancelled`.
 */
export async function runAnalysis(request: AnalysisRequest): Promise<AnalysisResult> {
  if (request.signal?.aborted) throw cancelled("before it started");
  if (request.statements.length === 0) return { rows: {}, elapsedMs: 0 };
  await mkdir(request.workFolder, { recursive: true });
  const message = await messageFor(request);
  const before = await measureFolder(request.workFolder);
  const started = process.hrtime.bigint();
  const child = await spawnWalledNode({
    entry: childFile,
    readable: request.readable.filter((path) => existsSync(path)), // the child says which one is missing
    writable: [request.workFolder],
    // Sources and objects are the server's own files.
    keepsAccount: true,
    dataBytes: 2 * (request.memoryLimitBytes ?? 2 * gib) + 2 * gib,
    heapMegabytes: 1024,
    stdio: ["pipe", "pipe", "pipe"],
    // Nothing of the parent's environment: no secrets, no proxies, no home with credentials or extensions.
    env: { HOME: request.workFolder, TZ: "UTC", LC_ALL: "C.UTF-8" },
    nodeFlags: ["--disable-warning=ExperimentalWarning"],
  });
  const stop = guard(child, request);
  const limits = {
    maxBytes: request.outputLimitBytes ?? defaults.outputLimitBytes,
    maxFiles: request.outputLimitFiles ?? defaults.outputLimitFiles,
  };
  const watch = watchFolder(request.workFolder, before, limits, (why) => stop.end(tooLarge(why)));
  try {
    const rows = await converse(child, request, message);
    // Once more: a fast one is through between two looks.
    await watch.check();
    const fault = stop.fault();
    if (fault !== undefined) throw fault;
    return { rows, elapsedMs: Number((process.hrtime.bigint() - started) / 1_000_000n) };
  } catch (error) {
    throw stop.fault() ?? error;
  } finally {
    watch.stop();
    stop.release();
    child.kill("SIGKILL");
  }
}

async function messageFor(request: AnalysisRequest): Promise<ChildRequest> {
  const { statements, readable, workFolder } = request;
  return {
    statements,
    readable,
    workFolder,
    threads: request.threads ?? defaults.threads,
    memoryLimitBytes: request.memoryLimitBytes ?? defaults.memoryLimitBytes,
    spillLimitBytes: await withinFreeSpace(workFolder, request.spillLimitBytes ?? defaults.spillLimitBytes),
  };
}

function guard(child: ChildProcess, request: AnalysisRequest) {
  let fault: PortolanError | undefined;
  const end = (why: PortolanError): void => {
    fault ??= why;
    child.kill("SIGKILL");
  };
  const onAbort = (): void => end(cancelled("it was cancelled"));
  request.signal?.addEventListener("abort", onAbort, { once: true });
  const timer = request.timeoutMs
    ? setTimeout(() => end(cancelled(`it took longer than ${request.timeoutMs} ms`)), request.timeoutMs)
    : undefined;
  return {
    end,
    fault: () => fault,
    release: () => {
      clearTimeout(timer);
      request.signal?.removeEventListener("abort", onAbort);
    },
  };
}

async function converse(
  child: ChildProcess,
  request: AnalysisRequest,
  message: ChildRequest,
): Promise<AnalysisResult["rows"]> {
  let complaint = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    complaint = `${complaint}${chunk.toString("utf8")}`.slice(-2000);
  });
  child.stdin?.on("error", () => undefined); // The child died: its exit is what we report.
  // Standard input stays open: when this process dies it closes, and the child ends itself.
  child.stdin?.write(`${JSON.stringify(message)}\n`);
  const exited = new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", () => resolve());
  });
  // Awaited only when there is no answer; until then a failed start must not count as unhandled.
  exited.catch(() => undefined);
  let rows: AnalysisResult["rows"] | undefined;
  if (child.stdout) {
    // Not destroyed where it is left: the child ends by itself, and would find nobody to write to.
    for await (const line of linesOf(child.stdout.iterator({ destroyOnReturn: false }))) {
      const answer = JSON.parse(line) as ChildMessage;
      if (answer.kind === "progress") request.onProgress?.(answer.fraction, answer.note);
      if (answer.kind === "failed") throw failed(answer.message, answer.note);
      if (answer.kind === "done") {
        rows = answer.rows;
        break;
      }
    }
  }
  if (rows) return rows;
  await exited;
  throw failed(lastWords(complaint) ?? "the process ended without an answer");
}

/** Of what a process said before it ended: the error, where there is one, not the version of Node.js beneath it. */
function lastWords(complaint: string): string | undefined {
  const lines = complaint.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("Node.js v"));
  return lines.findLast((line) => /^\w*Error\b/.test(line)) ?? lines.at(-1);
}

function failed(message: string, note?: string): PortolanError {
  // DuckDB names the setting in its message when the temporary files are used up.
  if (message.includes("max_temp_directory_size"))
    return tooLarge(`${note ? `${note}: ` : ""}its temporary files reached their limit`);
  // In its words there is the path of this machine, and nothing to do about it.
  if (/No space left on device|ENOSPC/.test(message))
    return tooLarge(`${note ? `${note}: ` : ""}the disk of the work folder is full`);
  // Its words quote the row, in which may be anything.
  if (message.includes("Maximum line size of"))
    return new PortolanError("data.source_too_large", {
      detail: "a row of a CSV file is over 32 MiB, among those by which its columns are found",
      mend: "Shorten or take out the row, or bring the file as Parquet.",
    });
  return new PortolanError("data.analysis_failed", {
    detail: `${note ? `${note}: ` : ""}${message.slice(0, 1000)}`,
    mend: "Check the source's columns and the free space of the work folder.",
  });
}

function tooLarge(reason: string): PortolanError {
  return new PortolanError("data.analysis_too_large", {
    detail: `the analysis was ended: ${reason}`,
    mend: "Ingest smaller batches, simplify the contract's rules, or make room on the disk of the work folder.",
  });
}

function cancelled(reason: string): PortolanError {
  return new PortolanError("data.analysis_cancelled", { detail: `the analysis was ended: ${reason}` });
}
