import { open, stat } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { PortolanError } from "@portolan/kernel";
import type { CliErrorCode } from "../errors.ts";
import type { Output } from "../output.ts";

export interface PrintLogOptions {
  readonly lines: number;
  readonly follow: boolean;
  readonly output: Output;
}

/** Enough for the last lines of a log, however long the log is. */
const tailBytes = 256 * 1024;
const followPollMs = 250;

export async function printLog(file: string, options: PrintLogOptions): Promise<void> {
  const size = await sizeOf(file);
  let position = Math.max(0, size - tailBytes);
  const tail = await readFrom(file, position);
  options.output.raw(
    tail
      .split("\n")
      .slice(-options.lines - 1)
      .join("\n"),
  );
  position = size;
  while (options.follow) {
    await delay(followPollMs);
    const now = await sizeOf(file);
    if (now < position) position = 0; // the log was rotated
    if (now > position) {
      options.output.raw(await readFrom(file, position));
      position = now;
    }
  }
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (cause) {
    throw new PortolanError<CliErrorCode>("cli.bad_file", {
      detail: `there is no log ${file}`,
      mend: "Logs appear with portolan up; the names are control, gateway, postgres and supervisor.",
      cause,
    });
  }
}

async function readFrom(file: string, position: number): Promise<string> {
  await using handle = await open(file, "r");
  const { size } = await handle.stat();
  const buffer = Buffer.alloc(Math.max(0, size - position));
  const { bytesRead } = await handle.read(buffer, 0, buffer.length, position);
  return buffer.toString("utf8", 0, bytesRead);
}
