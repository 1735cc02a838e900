import { createLogger, isPortolanError, loadConfig, messageOf, systemClock } from "@portolan/kernel";
import { installEnvironmentOf } from "@portolan/training";
import { RestoreConfig, type RestoreOutcome, restoreControl } from "./restore.ts";

/** The last line that a restore prints. */
export type RestoreAnswer =
  | { readonly restored: RestoreOutcome }
  | {
      readonly failed: {
        readonly code: string;
        readonly detail: string;
        readonly mend?: string;
        readonly violations: readonly { readonly detail: string }[];
      };
    };

/** Restores by the settings, prints one line of JSON, and resolves to the exit code. */
export async function restoreMain(
  env: Readonly<Record<string, string | undefined>>,
  out: { write(text: string): unknown },
): Promise<number> {
  const answer = await restoreBySettings(env);
  out.write(`${JSON.stringify(answer)}\n`);
  return "restored" in answer ? 0 : 1;
}

async function restoreBySettings(env: Readonly<Record<string, string | undefined>>): Promise<RestoreAnswer> {
  try {
    const config = { ...loadConfig(RestoreConfig, env), installEnvironment: installEnvironmentOf(env) };
    const log = createLogger({ name: "restore", level: "silent" });
    return { restored: await restoreControl(config, log, systemClock) };
  } catch (error) {
    if (!isPortolanError(error))
      return { failed: { code: "kernel.internal", detail: messageOf(error), violations: [] } };
    const { code, detail, mend, violations } = error;
    return {
      failed: { code, detail: detail ?? code, ...(mend === undefined ? {} : { mend }), violations },
    };
  }
}
