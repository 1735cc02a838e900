import type { JobInfo } from "./ray-client.ts";

/** How a job stands, in a training run's terms. */
export type JobStanding =
  | { readonly kind: "working" }
  | { readonly kind: "succeeded" }
  /** It ended by itself without a result: it would again. */
  | { readonly kind: "failed"; readonly why: string }
  /** Its environment could not be built. */
  | { readonly kind: "environment"; readonly why: string }
  /** Something else ended it: sent again, it may end well. */
  | { readonly kind: "lost"; readonly why: string };

/** What `portolan_job.py` ends with when control no longer takes its credential. */
export const credentialRefused = 77;

/** What others send (SIGHUP, SIGINT, SIGQUIT, SIGKILL, SIGTERM); any other signal is a fault of the trainer's own. */
const outsideSignals: ReadonlySet<number> = new Set([1, 2, 3, 9, 15]);

/** Pure. */
export function standingOf({
  status,
  message,
  error_type: error,
  driver_exit_code: code,
}: JobInfo): JobStanding {
  const said = (message ?? "").trim().slice(-600);
  switch (status) {
    case "PENDING":
    case "RUNNING":
      return { kind: "working" };
    case "SUCCEEDED":
      return { kind: "succeeded" };
    case "STOPPED":
      return { kind: "lost", why: "was stopped on the cluster" };
    case "FAILED":
      break;
    default:
      return { kind: "lost", why: `has a state that is not known here: ${status.slice(0, 40)}` };
  }
  if (error === "RUNTIME_ENV_SETUP_FAILURE") return { kind: "environment", why: said };
  if (code === null || code === undefined) return { kind: "lost", why: `was lost by the cluster: ${said}` };
  if (code === credentialRefused)
    return { kind: "lost", why: "had a credential that was not taken any more" };
  const signal = code < 0 ? -code : code > 128 ? code - 128 : undefined;
  if (signal !== undefined && outsideSignals.has(signal))
    return { kind: "lost", why: `was killed by signal ${signal}` };
  return { kind: "failed", why: signal === undefined ? `ended with ${code}` : `crashed (signal ${signal})` };
}
