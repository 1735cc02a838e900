import type { ToRunner } from "./runner-messages.ts";
import { SessionServer } from "./session-server.ts";

/**
 * The runner process: one model, one thread. It gets the model's bytes over the pipe, already verified, and is expected to be
 * killed at any moment. What it reaches beside the pipe is the business of its walls (packages/sandbox).
 */
const server = new SessionServer((message) => process.send?.(message));
process.on("message", (message: ToRunner) => server.take(message));
// The gateway is gone: nobody is left to answer to.
process.on("disconnect", () => process.exit(0));
