import type { ErrorSpec } from "@portolan/kernel";

export const cliErrors = {
  "cli.server_unreachable": { status: 503, title: "Server does not answer" },
  "cli.unexpected_answer": { status: 502, title: "Server answered in an unknown way" },
  "cli.no_token": { status: 401, title: "No token of the job's own" },
  "cli.sign_in_failed": { status: 401, title: "Nobody is signed in" },
  "cli.not_running": { status: 503, title: "Portolan is not running here" },
  "cli.already_running": { status: 409, title: "Portolan is already running here" },
  "cli.port_in_use": { status: 409, title: "Port is taken" },
  "cli.folder_not_writable": { status: 403, title: "Folder cannot be written" },
  "cli.process_failed": { status: 500, title: "A process did not start" },
  "cli.bad_file": { status: 400, title: "File cannot be used" },
  "cli.bad_usage": { status: 400, title: "Command is not understood" },
  "cli.restore_incomplete": { status: 409, title: "A restore was broken off" },
  "cli.job_failed": { status: 500, title: "A job failed" },
  "cli.check_failed": { status: 500, title: "A step failed its own check" },
} as const satisfies Record<string, ErrorSpec>;

export type CliErrorCode = keyof typeof cliErrors;
