export { spawnWalledNode, type WalledNode, wallsFor } from "./node-child.ts";
export type { Walls } from "./walls.ts";
export { watchMemory } from "./watch-memory.ts";
