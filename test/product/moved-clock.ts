import childProcess from "node:child_process";
import { readFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";

/**
 * Loaded before a process of the product (`NODE_OPTIONS=--import`): its wall clock is ahead by as many milliseconds as the file says that `MOVED_CLOCK` names.
 * Hours pass in seconds, for control and gateways alike; durations are measured as ever.
 */
const { MOVED_CLOCK: file, NODE_OPTIONS: options } = process.env;
if (file !== undefined) {
  const [origin, now] = [performance.timeOrigin, Date.now];
  let ahead = 0;
  const look = (): void => {
    ahead = Number(readFileSync(file, "utf8"));
  };
  look();
  setInterval(look, 20).unref();
  Object.defineProperty(performance, "timeOrigin", { get: () => origin + ahead });
  Date.now = () => now() + ahead;
  passOn(file);
}

/** A supervisor keeps to itself what its children need not know; these have to know. */
function passOn(clock: string): void {
  const { spawn } = childProcess;
  const moved = (command: string, args: readonly string[], how: childProcess.SpawnOptions) =>
    /apps\/(control|gateway)\/src\/main\.ts$/.test(args.at(-1) ?? "")
      ? spawn(command, args, { ...how, env: { ...how.env, NODE_OPTIONS: options, MOVED_CLOCK: clock } })
      : spawn(command, args, how);
  Object.assign(childProcess, { spawn: moved });
  syncBuiltinESMExports();
}
