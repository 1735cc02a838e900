import { stat } from "node:fs/promises";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import type { AnalysisRow } from "@portolan/data/contract";
import type { ChildMessage, ChildRequest } from "./messages.ts";

/**
 * The program of the child process: one request on standard input, answers on standard output, then it ends. It is read up to its LF by hand:
 * `node:readline` parts at U+2028 as well, and the kernel's own reader would bring all that its package loads.
 */
function main(): void {
  const parts: string[] = [];
  let isAsked = false;
  process.stdin.setEncoding("utf8");
  process.stdin.on("end", () => process.exit(3)); // The parent is gone.
  process.stdin.on("data", (chunk: string) => {
    if (isAsked) return;
    const end = chunk.indexOf("\n");
    parts.push(end < 0 ? chunk : chunk.slice(0, end));
    if (end < 0) return;
    isAsked = true;
    answer(JSON.parse(parts.join("")) as ChildRequest).then(
      () => process.stdout.write("", () => process.exit(0)),
      (error: unknown) => {
        say({ kind: "failed", message: wordsOf(error) });
        process.stdout.write("", () => process.exit(1));
      },
    );
  });
}

async function answer(request: ChildRequest): Promise<void> {
  const connection = await open(request);
  const rows: Record<string, readonly AnalysisRow[]> = {};
  for (const [index, statement] of request.statements.entries()) {
    const note = statement.note ?? "";
    if (note) say({ kind: "progress", fraction: index / request.statements.length, note });
    try {
      const reader = await connection.runAndReadAll(statement.sql, { ...statement.params });
      if (statement.returns) rows[statement.returns] = reader.getRowObjectsJson() as AnalysisRow[];
    } catch (error) {
      if (statement.mayFail) continue;
      say({ kind: "failed", message: wordsOf(error), note });
      return;
    }
  }
  say({ kind: "done", rows });
}

/** A connection that reaches the given paths and nothing else: no network, no extensions, no way to open either again. */
async function open(request: ChildRequest): Promise<DuckDBConnection> {
  const instance = await DuckDBInstance.create(":memory:", {
    threads: String(request.threads),
    memory_limit: `${Math.floor(request.memoryLimitBytes / 2 ** 20)}MiB`,
    temp_directory: `${request.workFolder}/duckdb-spill`,
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
    allow_community_extensions: "false",
    preserve_insertion_order: "true",
  });
  const connection = await instance.connect();
  // Given when the instance is made it is shown as set and not obeyed (tried with 1.5.6).
  const spillMib = Math.max(1, Math.floor(request.spillLimitBytes / 2 ** 20));
  await connection.run(`set max_temp_directory_size = '${spillMib}MiB'`);
  const folders = [request.workFolder];
  const files: string[] = [];
  for (const path of request.readable) {
    ((await stat(path)).isDirectory() ? folders : files).push(path);
  }
  await connection.run(`set TimeZone = 'UTC'`);
  // An explicit INSTALL must not reach out either: the repository is a folder that does not exist.
  await connection.run(
    `set custom_extension_repository = ${list([`${request.workFolder}/none`]).slice(1, -1)}`,
  );
  await connection.run(`set allowed_directories = ${list(folders)}`);
  await connection.run(`set allowed_paths = ${list(files)}`);
  await connection.run("set enable_external_access = false");
  await connection.run("set lock_configuration = true");
  return connection;
}

function list(paths: readonly string[]): string {
  return `[${paths.map((path) => `'${path.replaceAll("'", "''")}'`).join(", ")}]`;
}

const mostWords = 2000;

/** An error may quote a row of any length: its beginning and its end say what it is about. */
function wordsOf(error: unknown): string {
  const words = error instanceof Error ? error.message : String(error);
  return words.length <= 2 * mostWords ? words : `${words.slice(0, mostWords)} … ${words.slice(-mostWords)}`;
}

function say(message: ChildMessage): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

main();
