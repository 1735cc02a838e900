// A child that tries what it must not be able to do, asked for by its parent.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { getCompileCacheDir } from "node:module";
import { connect } from "node:net";
import { getPriority } from "node:os";

export type Attempt =
  | { readonly kind: "read" | "write" | "execute"; readonly path: string }
  | { readonly kind: "connect"; readonly port: number }
  | { readonly kind: "environment" | "compiled" | "abort" | "grow" | "niceness" };

const hoard: Buffer[] = [];

function attempt(asked: Attempt): Promise<string> | string {
  switch (asked.kind) {
    case "read":
      return readFileSync(asked.path, "utf8");
    case "write":
      writeFileSync(asked.path, "was here");
      return "written";
    case "execute":
      return execFileSync(asked.path).toString();
    case "connect":
      return new Promise((resolve, reject) => {
        connect(asked.port, "127.0.0.1", () => resolve("connected")).on("error", reject);
      });
    case "environment":
      return Object.keys(process.env).toSorted().join(" ");
    case "compiled":
      return getCompileCacheDir() ?? "compiles for itself";
    case "niceness":
      return String(getPriority());
    case "abort":
      return process.abort();
    case "grow":
      for (;;) hoard.push(Buffer.alloc(16 * 2 ** 20, 1));
  }
}

process.on("message", (asked: Attempt) => {
  Promise.resolve()
    .then(() => attempt(asked))
    .then(
      (result) => process.send?.({ result }),
      (error: unknown) => process.send?.({ error: String(error) }),
    );
});
process.on("disconnect", () => process.exit(0));
