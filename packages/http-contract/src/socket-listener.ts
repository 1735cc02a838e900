import { once } from "node:events";
import { chmod, mkdtemp, readlink, rm, rmdir, symlink } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";

export interface SocketListener {
  /** Ends what is open and takes the socket away. */
  close(): Promise<void>;
}

/** The kernel keeps the path of a socket in 108 bytes (unix(7)), macOS in 104, each with an end. */
const mostPathBytes = 103;

/**
 * Listens for HTTP on a Unix socket. Where the path is longer than the kernel takes, a link lies there and the socket among the
 * machine's temporary files. What a killed process left at the path is taken away.
 *
 * @param path in a folder that exists; its modes are the process's until its owner changes them
 * @param most answers that are awaited at once, on all connections; further requests wait. Of connections eight times as many are
 *   taken, and further ones are closed.
 */
export async function listenAtSocket(
  path: string,
  handle: RequestListener,
  most: number,
): Promise<SocketListener> {
  await removeLeft(path);
  // Clients keep connections and find out at their next request that one was closed.
  const limits = { requestTimeout: 60_000, headersTimeout: 30_000, keepAliveTimeout: 120_000 };
  const server = createServer(limits, inTurns(handle, most));
  server.maxConnections = 8 * most;
  const short = Buffer.byteLength(path) > mostPathBytes ? await shortFolder() : undefined;
  const remove = async (): Promise<void> => {
    await rm(path, { force: true });
    if (short !== undefined) await rm(short, { recursive: true, force: true });
  };
  try {
    const place = short === undefined ? path : join(short, "socket");
    server.listen(place);
    await once(server, "listening");
    if (short !== undefined) await symlink(place, path);
  } catch (error) {
    server.close();
    await remove();
    throw error;
  }
  return {
    close: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
      await remove();
    },
  };
}

const shortPrefix = "portolan-";

/** Takes away what lies at the path; behind a link also the folder of its socket, if it is one that `shortFolder` made. */
async function removeLeft(path: string): Promise<void> {
  const target = await readlink(path).catch(() => undefined);
  await rm(path, { force: true });
  if (target === undefined || basename(target) !== "socket") return;
  const short = dirname(target);
  if (dirname(short) !== tmpdir() || !basename(short).startsWith(shortPrefix)) return;
  // The socket and then the folder, which goes only if nothing else lies in it.
  await rm(target, { force: true });
  await rmdir(short).catch(() => undefined);
}

/** Nobody lists it; the modes of the socket say who may connect. */
async function shortFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), shortPrefix));
  await chmod(folder, 0o711);
  return folder;
}

/** Requests that wait, of all connections together: a client that sends more without reading answers is none. */
const mostWaiting = 1_000;

/** Whoever is on the other side, however many connections it opens, waits for so many answers at once. */
function inTurns(handle: RequestListener, most: number): RequestListener {
  const waiting: Parameters<RequestListener>[] = [];
  let working = 0;
  const start = ([request, response]: Parameters<RequestListener>): void => {
    working += 1;
    response.once("close", () => {
      working -= 1;
      const next = waiting.splice(0).filter(([{ socket }]) => !socket.destroyed);
      waiting.push(...next.slice(1));
      if (next[0]) start(next[0]);
    });
    handle(request, response);
  };
  return (request, response) => {
    if (working < most) start([request, response]);
    else if (waiting.length < mostWaiting) waiting.push([request, response]);
    else request.socket.destroy();
  };
}
