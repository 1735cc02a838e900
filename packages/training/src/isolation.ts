import { digestHex, digestJson } from "@portolan/kernel";
import { findWalls, type Walls, walledCommand } from "@portolan/sandbox";

/** What stands between a trainer and the rest of the machine. */
export type Isolation = Walls;

/** What a trainer may see, at the paths that these have outside. */
export interface TrainerView {
  /** The run's folder; it exists. */
  readonly folder: string;
  readonly readable: readonly string[];
  readonly writable: readonly string[];
  /** One of the writable ones, seen as `/tmp` too. */
  readonly scratch: string;
  /** Kept out of sight also where it lies below something readable. */
  readonly hidden: readonly string[];
  /**
   * The machine's own Python, which runs outside the walls for a moment: the trainer then has a loopback address of its own, which
   * leads nowhere but to itself.
   */
  readonly loopback?: string;
}

/** systemd's table of uids calls 60578 to 61183 unused, so that no person, service or container has one of them. */
const firstUid = 60_600;
const uids = 500;
/** Processes and threads of one trainer, where it has an account of its own to count them by. */
const mostProcesses = 512;

/** The account that a run's folder belongs to: the same at each start, and another one for most other runs. */
export function uidOf(folder: string): number {
  return firstUid + (Number.parseInt(digestHex(digestJson(folder)).slice(0, 8), 16) % uids);
}

/** The command that runs a trainer behind walls; processes are replaced by it where nothing has to wait for it. */
export function isolatedCommand(
  isolation: Isolation,
  { folder, readable, writable, scratch, hidden, loopback }: TrainerView,
  program: readonly string[],
): string[] {
  const view = {
    readable,
    writable,
    cwd: folder,
    uid: uidOf(folder),
    guest: { name: "trainer", scratch, hidden, ...(loopback === undefined ? {} : { loopback }) },
  };
  if (isolation.level !== "namespaces") return walledCommand(isolation, view, program);
  const counted = ["prlimit", `--nproc=${mostProcesses}:${mostProcesses}`, "--"];
  // The first process of a process table gets no signal that it does not catch: it must not be the trainer.
  const first = ["sh", "-c", firstProcess, "sh", ...program];
  return walledCommand(isolation, view, isolation.ownAccount ? [...counted, ...first] : first);
}

const firstProcess =
  'trap : TERM; "$@" & child=$!; wait $child; code=$?; while kill -0 $child 2>/dev/null; do wait $child; code=$?; done; exit $code';

/** The best isolation that this machine permits, by trying it: what a kernel permits no file tells. Tried once per process. */
export function findIsolation(): Promise<Isolation> {
  const view = { readable: [], writable: [], cwd: "/" };
  return findWalls({ keepsAccount: false }, view, ["sh", "-c", "exit 0"]);
}
