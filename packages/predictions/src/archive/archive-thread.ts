// One piece of archive work in a thread of its own: seconds of pure computing that control's loop must not feel.
import { parentPort, workerData } from "node:worker_threads";
import { messageOf } from "@portolan/kernel";
import { isCorrupt } from "../format/record-codec.ts";
import { type ArchiveWork, compact, erase, findSubject } from "./archive-work.ts";

const work = workerData as ArchiveWork;

async function done(): Promise<unknown> {
  if (work.kind === "compact") return compact(work);
  if (work.kind === "erase") return erase(work);
  return findSubject(work);
}

done().then(
  (answer) => parentPort?.postMessage({ answer }),
  (error: unknown) => parentPort?.postMessage({ failure: messageOf(error), isCorrupt: isCorrupt(error) }),
);
