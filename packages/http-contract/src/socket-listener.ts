import { once } from "node:events";
import { open, rm } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import { basename, dirname } from "node:path";
import { PortolanError } from "@portolan/kernel";

export interface SocketListener {
  /** Ends what is open and takes the socket away. */
  close(): Promise<void>;
}

/** The kernel keeps the path of a socket in 108 bytes (unix(7)), macOS in 104, each with an end. */
const mostPathBytes = 103;

/**
 * Listens on a Unix socket, whose path may be longer than the kernel takes at once. What a killed process left there is taken away.
 *
 * @param path below a folder that exists; the socket has the modes of the process until its owner changes them.
 * @param mostConnections at once; further ones are refused.
 * @throws PortolanError `kernel.bad_configuration` where such a path cannot be listened on.
 */
export async function listenAtSocket(
  path: string,
  handle: RequestListener,
  mostConnections: number,
): Promise<SocketListener> {
  await rm(path, { force: true });
  const server = createServer({ requestTimeout: 60_000, headersTimeout: 30_000 }, handle);
  server.maxConnections = mostConnections;
  // By the folder's descriptor the path is short, whatever the folder is called.
  const folder = Buffer.byteLength(path) > mostPathBytes ? await open(dirname(path), "r") : undefined;
  if (folder && process.platform !== "linux") {
    await folder.close();
    throw new PortolanError("kernel.bad_configuration", {
      detail: `${path} is longer than the path of a socket may be`,
      mend: "Set PORTOLAN_HOME to a shorter path.",
    });
  }
  try {
    server.listen(folder ? `/proc/self/fd/${folder.fd}/${basename(path)}` : path);
    await once(server, "listening");
  } catch (error) {
    await folder?.close();
    throw error;
  }
  return {
    close: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
      await folder?.close();
      await rm(path, { force: true });
    },
  };
}
