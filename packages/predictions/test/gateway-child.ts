// A gateway's log side as a process of its own, to be killed: node gateway-child.ts <folder> <durability> [<url>]
import { writeSync } from "node:fs";
import { createShipper } from "../src/shipping/shipper.ts";
import { openPredictionWriter } from "../src/writer/writer.ts";
import { deliverOverHttp } from "./http-delivery.ts";
import { aContext, aRecord, clock, otherOrganisationId, writerId } from "./records.ts";

const [, , folder = "", durability = "buffered", url] = process.argv;
const writer = await openPredictionWriter({ folder, writerId, clock, reserveBytes: 64 * 1024 });
if (url !== undefined) createShipper({ folder, deliver: deliverOverHttp(url), pollMs: 5 });
const contexts = [aContext(), aContext(otherOrganisationId, "churn")] as const;

async function caller(lane: number): Promise<void> {
  for (let n = lane; ; n += 8) {
    const id = await writer.append(aRecord(contexts[n % 2 === 0 ? 0 : 1], n), {
      durability: durability === "durable" ? "durable" : "buffered",
    });
    writeSync(1, `${id}\n`); // only after the acknowledgement; write() outlives the process
    if (url !== undefined) await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
await Promise.all(Array.from({ length: 8 }, (_, lane) => caller(lane)));
