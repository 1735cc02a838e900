import { type DestinationStream, type Logger, pino } from "pino";

export type { Logger };

/** Names of fields that never reach a log line, at any of the depths that our events use. */
const secretFields = ["authorization", "token", "apiKey", "password", "secret", "privateKey", "cookie"];

export interface LoggerOptions {
  /** Process or module, e.g. `control` or `gateway`. */
  readonly name: string;
  readonly level?: "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "silent";
  readonly destination?: DestinationStream;
}

/**
 * A structured logger: one JSON object per line. Event names are constants (`registry.model.promoted`),
 * everything else is a field: `log.info({ model, version }, "registry.model.promoted")`.
 */
export function createLogger(options: LoggerOptions): Logger {
  const config = {
    name: options.name,
    level: options.level ?? "info",
    base: { pid: process.pid },
    messageKey: "event",
    redact: {
      paths: secretFields.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]),
      censor: "[secret]",
    },
  };
  return options.destination ? pino(config, options.destination) : pino(config);
}
