import { execFileSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A real small disk; `undefined` where only root could mount it. */
export function mountSmallDisk(megabytes: number): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), "portolan-small-disk-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", folder], { stdio: "pipe" });
  } catch (error) {
    if (process.env["CI"] === "true") throw error;
    rmSync(folder, { recursive: true });
    return undefined;
  }
  chmodSync(folder, 0o755);
  return folder;
}

export function unmount(folder: string | undefined): void {
  if (folder === undefined) return;
  execFileSync("umount", ["--lazy", folder]);
  rmSync(folder, { recursive: true, force: true });
}

/** Takes all that is left, down to the last block, but for so many bytes. */
export function fill(file: string, leave = 0): void {
  const handle = openSync(file, "w");
  for (let size = 1024 * 1024; size >= 512; ) {
    try {
      if (writeSync(handle, Buffer.alloc(size)) < size) size /= 2;
    } catch {
      size /= 2;
    }
  }
  closeSync(handle);
  if (leave > 0) truncateSync(file, statSync(file).size - leave);
}
