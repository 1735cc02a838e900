import { spawn } from "node:child_process";

export interface CommandResult {
  /** 128 + n after signal n, as a shell counts. */
  readonly exitCode: number;
  /** stdout and stderr in the order they came. */
  readonly output: string;
}

export interface CommandOptions {
  readonly cwd: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Also shows the output while it comes. */
  readonly live?: boolean;
}

/** Runs a program without a shell and keeps what it says. Resolves also when it fails; rejects when it cannot start. */
export function runCommand(
  program: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...args], {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const chunks: Buffer[] = [];
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        if (options.live) process.stdout.write(chunk);
      });
    }
    child.once("error", reject);
    child.once("close", (code, signal) => {
      resolve({ exitCode: code ?? (signal ? 137 : 1), output: Buffer.concat(chunks).toString("utf8") });
    });
  });
}

/** Seconds since `startedAt` (from `performance.now()`), for a line of a report. */
export function secondsSince(startedAt: number): string {
  return `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
}
