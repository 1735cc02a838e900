export { endingSignal, lastWords } from "./ending-signal.ts";
export { leastPriority, niceCommand, spawnWalledNode, type WalledNode, wallsFor } from "./node-child.ts";
export { type ProcessUse, processTree } from "./process-tree.ts";
export { ProcessorDemand } from "./processor-demand.ts";
export { findWalls, systemPath, type View, type Walls, walledCommand } from "./walls.ts";
export { watchMemory } from "./watch-memory.ts";
