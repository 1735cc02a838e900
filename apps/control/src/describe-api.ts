import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unaskedDatabase } from "@portolan/database";
import { createLogger, loadConfig, systemClock } from "@portolan/kernel";
import { ControlConfig } from "./config.ts";
import { assembleControl } from "./start-control.ts";
import { layFoundation } from "./wiring/foundation.ts";

/**
 * The OpenAPI 3.1 document of the routes as control registers them. No database is needed: routes are described, not
 * called. Same sources, same document.
 */
export async function describeApi(): Promise<object> {
  const home = await mkdtemp(join(tmpdir(), "portolan-api-"));
  const database = unaskedDatabase("postgresql://nobody@127.0.0.1:9/none");
  try {
    const config = loadConfig(ControlConfig, { PORTOLAN_HOME: home, LOG_LEVEL: "silent" });
    const log = createLogger({ name: "control", level: config.LOG_LEVEL });
    const { app, wiring } = await assembleControl(await layFoundation(config, log, systemClock, database));
    await app.ready();
    const document = app.swagger();
    await app.close();
    await wiring.data.close();
    return document;
  } finally {
    await database.close();
    await rm(home, { recursive: true, force: true });
  }
}
