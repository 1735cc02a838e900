import { flushCompileCache } from "node:module";
import { isPortolanError, loadConfig, PortolanError } from "@portolan/kernel";
import { GatewayConfig } from "./config.ts";
import { startGateway } from "./gateway.ts";

/** The process: configuration in, signals out. The only file of this app that reads the environment. */
try {
  const gateway = await startGateway(loadConfig(GatewayConfig, process.env));
  PortolanError.tracesStack = false; // from here on they are mostly answers to callers
  flushCompileCache(); // now, not at the end: a process that is killed has no end
  let stopping = false;
  const stop = (): void => {
    if (stopping) return;
    stopping = true;
    gateway.close().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`gateway: it did not end as it should: ${String(error)}\n`);
        process.exit(1);
      },
    );
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
} catch (error) {
  const text = isPortolanError(error)
    ? `${error.detail ?? error.message} ${error.mend ?? ""}`
    : String(error);
  process.stderr.write(`gateway: ${text.trim()}\n`);
  // The log's thread would keep a gateway alive that serves nobody; ended, it is started again.
  process.exit(1);
}
