import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { runCli } from "./program.ts";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../../..");

// `portolan … | head` closes the pipe early: that is the reader's wish, not a fault.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

process.exitCode = await runCli(process.argv.slice(2), {
  environment: { cwd: process.cwd(), env: process.env, root },
  streams: { out: process.stdout, err: process.stderr },
});
