export { objectstoreErrors } from "./errors.ts";
export { type FolderObjectStore, openFolderObjectStore } from "./folder-object-store.ts";
