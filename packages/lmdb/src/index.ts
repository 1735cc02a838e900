export { openOnlineStore } from "./online-store.ts";
