import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { runCli } from "./program.ts";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../../..");

process.exitCode = await runCli(process.argv.slice(2), {
  environment: { cwd: process.cwd(), env: process.env, root },
  streams: { out: process.stdout, err: process.stderr },
});
