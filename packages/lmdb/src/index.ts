export { openOnlineStore } from "./online-store.ts";
export { openOnlineWriter } from "./writer/online-writer.ts";
