import { chmod, lstat, mkdir } from "node:fs/promises";
import { join } from "node:path";

/** Ours alone. `inbox` is left as it is: others may deliver there; `postgres` belongs to the account that PostgreSQL runs under. */
const closed =
  "accepted backups features gateway gateways keys ledger logs objects pglite predictions run".split(" ");
/** Way to what is handed to a trainer's account by name; nobody else can list them. */
const passed = ["work"];
/** Python environments, which such an account runs from. */
const readable = ["envs"];

/**
 * Sets the modes below the state folder, so that another account on this machine, a trainer's among them, reads nothing that it
 * was not given (docs/adr/0074). What is missing is made: a folder that comes to be later would have the umask's mode.
 */
export async function closeStateFolder(home: string): Promise<void> {
  await mkdir(home, { recursive: true, mode: 0o711 });
  const wanted = [
    ...closed.map((name) => ({ name, mode: 0o700 })),
    ...passed.map((name) => ({ name, mode: 0o711 })),
    ...readable.map((name) => ({ name, mode: 0o755 })),
  ];
  for (const { name, mode } of wanted) {
    const path = join(home, name);
    // pglite's folder is its database, and an empty one would not be taken for a new one.
    if (name !== "pglite") await mkdir(path, { recursive: true, mode });
    const found = await lstat(path).catch(() => undefined);
    if (found?.isDirectory() && found.uid === process.getuid?.()) await chmod(path, mode);
  }
  if ((await lstat(home)).uid === process.getuid?.()) await chmod(home, 0o711);
}
