import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/**
 * What stands between a child and the rest of the machine. `namespaces`: a file system, process table, network and IPC of its
 * own. `account`: an account of its own, so that the modes of files keep it out. `none`: neither.
 */
export interface Walls {
  readonly level: "namespaces" | "account" | "none";
  /** Whether it gives up the server's account: only root can give it another one. */
  readonly ownAccount: boolean;
  readonly networkBlocked: boolean;
}

/** What a child may see, at the paths that these have outside. */
export interface View {
  readonly readable: readonly string[];
  readonly writable: readonly string[];
  readonly cwd: string;
  /** The account where it gets one of its own; by default one that all children of this kind share. */
  readonly uid?: number;
  /** For a program of somebody else, which looks for what a machine usually has. */
  readonly guest?: Guest;
}

export interface Guest {
  /** What its account is called. */
  readonly name: string;
  /** One of the writable folders, seen as `/tmp` too where nothing else that it sees lies there. */
  readonly scratch: string;
  /** Kept out of sight also where it lies below something readable; what is readable below it is seen. */
  readonly hidden: readonly string[];
  /**
   * A Python, of which nothing but its standard library runs; its empty network then has a loopback address. It runs outside the
   * walls, with the server's own rights: never one out of an environment that somebody else's packages were unpacked into.
   */
  readonly loopback?: string;
}

/** How far a child may be kept apart. */
export interface WallWishes {
  /** True for a child that opens files which only the server's account may read. */
  readonly keepsAccount: boolean;
}

export const systemPath = "/usr/sbin:/usr/bin:/sbin:/bin";

/** systemd's table of uids calls 60578 to 61183 unused, so that no person, service or container has it. */
const childUid = 60_599;
const enter = fileURLToPath(new URL("./enter-sandbox.sh", import.meta.url));

/** Ends with the thread that started it: a child in an endless loop never notices that its pipe closed. */
const orphansDie = ["setpriv", "--pdeathsig", "KILL"];

/** The command that runs `program` behind walls. Each process but `unshare` is replaced by the next. */
export function walledCommand(walls: Walls, view: View, program: readonly string[]): string[] {
  const isRoot = process.getuid?.() === 0;
  const { level, ownAccount, networkBlocked } = walls;
  const uid = String(view.uid ?? childUid);
  if (level === "namespaces") {
    const owner = isRoot ? [] : ["--user", "--map-root-user"];
    const apart = ["--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child"];
    const raise = loopbackUp(view);
    const inside = [
      ...raise,
      "sh",
      enter,
      ownAccount ? uid : "-",
      view.cwd,
      ...shownTo(view),
      "--",
      ...program,
    ];
    return [...orphansDie, "unshare", ...owner, ...apart, ...inside];
  }
  const network = networkBlocked
    ? ["unshare", ...(isRoot ? [] : ["--map-root-user"]), "--net", ...loopbackUp(view)]
    : [];
  if (!ownAccount) return [...network, ...program];
  const account = ["--reuid", uid, "--regid", uid, "--clear-groups"];
  const noPrivileges = ["--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"];
  return [...network, "setpriv", ...account, ...noPrivileges, ...program];
}

/**
 * A new network has its loopback device down, and every machine has some program to raise it but none that all have. SIOCSIFFLAGS is
 * 0x8914, IFF_UP 1 (netdevice(7)); where it is forbidden the child has no address.
 */
const raiseLoopback =
  'import fcntl, socket, struct; fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sH22x", b"lo", 1))';

/** Runs the rest once the loopback device is up. */
function loopbackUp({ guest }: View): string[] {
  if (guest?.loopback === undefined) return [];
  const script = 'python=$1 code=$2; shift 2; "$python" -I -S -c "$code" 2>/dev/null; exec "$@"';
  return ["sh", "-c", script, "sh", guest.loopback, raiseLoopback];
}

/** The arguments of `enter-sandbox.sh`, in the order in which it shows things. */
function shownTo({ readable, writable, cwd, guest }: View): string[] {
  const each = (what: string, paths: readonly string[]) => paths.flatMap((path) => [what, path]);
  if (!guest) return [...each("ro", readable), ...each("rw", writable)];
  const below = (path: string) => guest.hidden.some((hidden) => path.startsWith(`${hidden}/`));
  // What lies below /tmp would be covered; TMPDIR names the scratch folder in any case.
  const coversTmp = [cwd, ...readable, ...writable].every((path) => !path.startsWith("/tmp/"));
  return [
    "user",
    guest.name,
    // First what may hold a hidden folder, then the cover, then what lies below it.
    ...each(
      "ro",
      readable.filter((path) => !below(path)),
    ),
    ...each("hide", guest.hidden),
    ...each("ro", readable.filter(below)),
    ...each("rw", writable),
    ...(coversTmp ? ["tmp", guest.scratch] : []),
  ];
}

/** As what account a child that names none runs, as it sees it itself. */
export function uidBehind({ level, ownAccount }: Walls): number {
  if (ownAccount) return childUid;
  const uid = process.getuid?.() ?? 0;
  return level === "namespaces" ? 0 : uid;
}

const found = new Map<string, Promise<Walls>>();

/**
 * The best walls that this machine permits, by trying them: what a kernel permits no file tells. Asked once per process and view.
 * @param program what is tried: it has to read what the child will read, and end with 0
 */
export function findWalls(wishes: WallWishes, view: View, program: readonly string[]): Promise<Walls> {
  const key = JSON.stringify([wishes, view, program]);
  const known = found.get(key);
  if (known) return known;
  const tried = tryWalls(wishes, view, program);
  found.set(key, tried);
  return tried;
}

async function tryWalls(wishes: WallWishes, view: View, program: readonly string[]): Promise<Walls> {
  const isRoot = process.getuid?.() === 0;
  const mayChange = isRoot && !wishes.keepsAccount;
  const candidates: Walls[] = [
    { level: "namespaces", ownAccount: true, networkBlocked: true },
    { level: "namespaces", ownAccount: false, networkBlocked: true },
    { level: "account", ownAccount: true, networkBlocked: true },
    { level: "account", ownAccount: true, networkBlocked: false },
    { level: "none", ownAccount: false, networkBlocked: true },
  ];
  for (const walls of candidates.filter(({ ownAccount }) => mayChange || !ownAccount))
    if (await succeeds(walledCommand(walls, view, program))) return walls;
  return { level: "none", ownAccount: false, networkBlocked: false };
}

function succeeds([command = "", ...args]: readonly string[]): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: "ignore", env: { PATH: systemPath } });
    child.once("error", () => resolve(false));
    child.once("close", (code) => resolve(code === 0));
  });
}
