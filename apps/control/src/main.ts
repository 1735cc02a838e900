import { flushCompileCache } from "node:module";
import { resolve } from "node:path";
import { createLogger, isPortolanError, loadConfig, messageOf, systemClock } from "@portolan/kernel";
import { ControlConfig } from "./config.ts";
import { requireSafeAddresses } from "./http/safe-addresses.ts";

/** @returns settings that fit; ends the process with 1 after naming all that do not, before anything native is loaded */
function settings(): ReturnType<typeof loadConfig<typeof ControlConfig>> {
  try {
    const config = loadConfig(ControlConfig, process.env);
    requireSafeAddresses(config);
    return config;
  } catch (error) {
    const text = isPortolanError(error)
      ? `${error.code}: ${error.detail ?? error.message} ${error.mend ?? ""}`
      : String(error);
    process.stderr.write(`control: ${text.trim()}\n`);
    process.exit(1);
  }
}

// `portolan restore` runs this program with the argument: offline, with nothing listening, and it ends by itself.
if (process.argv[2] === "restore") {
  const { restoreMain } = await import("./backup/restore-main.ts");
  process.exit(await restoreMain(process.env, process.stdout));
}

const config = settings();
const log = createLogger({ name: "control", level: config.LOG_LEVEL });

/** A fault after which nothing may be signed or stored any more: end, and let the supervisor start a clean process. */
function end(error: unknown): never {
  log.fatal({ error: messageOf(error), err: error }, "control.failed");
  process.exit(1);
}

process.on("unhandledRejection", end);
try {
  const [{ startControl }, { installEnvironmentOf }] = await Promise.all([
    import("./start-control.ts"),
    import("@portolan/training"),
  ]);
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
