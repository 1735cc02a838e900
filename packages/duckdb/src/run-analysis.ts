import type { ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { AnalysisEngine, AnalysisRequest, AnalysisResult } from "@portolan/data/contract";
import { PortolanError } from "@portolan/kernel";
import { spawnWalledNode } from "@portolan/sandbox";
import type { ChildMessage, ChildRequest } from "./messages.ts";

export interface DuckDbLimits {
  /** Threads of one analysis when the request says nothing. */
  readonly threads?: number;
  readonly memoryLimitBytes?: number;
}

const childFile = fileURLToPath(new URL("./analysis-child.ts", import.meta.url));
const gib = 2 ** 30;

/** The analysis engine: each run is a process of its own, so that a fault or a full memory never reaches the caller. */
export function createDuckDbEngine(limits: DuckDbLimits = {}): AnalysisEngine {
  return {
    run: (request) =>
      runAnalysis({
        ...request,
        threads: request.threads ?? limits.threads ?? 2,
        memoryLimitBytes: request.memoryLimitBytes ?? limits.memoryLimitBytes ?? 2 * gib,
      }),
  };
}

/**
 * Runs statements in a child process that is ended by SIGKILL on abort or past `timeoutMs`.
 *
 * @throws PortolanError `data.analysis_failed` or `data.analysis_cancelled`.
 */
export async function runAnalysis(request: AnalysisRequest): Promise<AnalysisResult> {
  if (request.signal?.aborted) throw cancelled("before it started");
  await mkdir(request.workFolder, { recursive: true });
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
  try {
    const rows = await converse(child, request);
    return { rows, elapsedMs: Number((process.hrtime.bigint() - started) / 1_000_000n) };
  } catch (error) {
    const reason = stop.reason();
    throw reason === undefined ? error : cancelled(reason);
  } finally {
    stop.release();
    child.kill("SIGKILL");
  }
}

function guard(child: ChildProcess, request: AnalysisRequest) {
  let reason: string | undefined;
  const end = (why: string): void => {
    reason ??= why;
    child.kill("SIGKILL");
  };
  const onAbort = (): void => end("it was cancelled");
  request.signal?.addEventListener("abort", onAbort, { once: true });
  const timer = request.timeoutMs
    ? setTimeout(() => end(`it took longer than ${request.timeoutMs} ms`), request.timeoutMs)
    : undefined;
  return {
    reason: () => reason,
    release: () => {
      clearTimeout(timer);
      request.signal?.removeEventListener("abort", onAbort);
    },
  };
}

async function converse(child: ChildProcess, request: AnalysisRequest): Promise<AnalysisResult["rows"]> {
  const message: ChildRequest = {
    statements: request.statements,
    readable: request.readable,
    workFolder: request.workFolder,
    threads: request.threads ?? 2,
    memoryLimitBytes: request.memoryLimitBytes ?? 2 * gib,
  };
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
    for await (const line of createInterface({ input: child.stdout })) {
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
  throw failed(complaint.trim().split("\n").at(-1) ?? "the process ended without an answer");
}

function failed(message: string, note?: string): PortolanError {
  return new PortolanError("data.analysis_failed", {
    detail: `${note ? `${note}: ` : ""}${message.slice(0, 1000)}`,
    mend: "Check the source's columns and the free space of the work folder.",
  });
}

function cancelled(reason: string): PortolanError {
  return new PortolanError("data.analysis_cancelled", { detail: `the analysis was ended: ${reason}` });
}
