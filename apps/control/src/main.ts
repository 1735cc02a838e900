import { flushCompileCache } from "node:module";
import { resolve } from "node:path";
import { createLogger, loadConfig, messageOf, systemClock } from "@portolan/kernel";
import { installEnvironmentOf } from "@portolan/training";
import { restoreMain } from "./backup/restore-main.ts";
import { ControlConfig } from "./config.ts";
import { startControl } from "./start-control.ts";

// `portolan restore` runs this program with the argument: offline, with nothing listening, and it ends by itself.
if (process.argv[2] === "restore") process.exit(await restoreMain(process.env, process.stdout));

const config = loadConfig(ControlConfig, process.env);
const log = createLogger({ name: "control", level: config.LOG_LEVEL });

/** A fault after which nothing may be signed or stored any more: end, and let the supervisor start a clean process. */
function end(error: unknown): never {
  log.fatal({ error: messageOf(error), err: error }, "control.failed");
  process.exit(1);
}

process.on("unhandledRejection", end);
try {
  const control = await startControl(
    {
      ...config,
      // Trainers and analyses have working folders of their own: a relative path would mean another place there.
      PORTOLAN_HOME: resolve(config.PORTOLAN_HOME),
      installEnvironment: installEnvironmentOf(process.env),
    },
    log,
    systemClock,
    end,
  );
  flushCompileCache(); // now, not at the end: a process that is killed has no end
  const stop = (signal: string): void => {
    log.info({ signal }, "control.stopping");
    control.stop().then(() => process.exit(0), end);
  };
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
} catch (error) {
  end(error);
}
