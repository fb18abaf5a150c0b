// What outlives the page: one record in IndexedDB, which one page at a time has.

const STORE_MS = 1000; // the longest wait for a browser's database

/** A name that lives as long as the tab, reloads included; null where the browser keeps nothing. */
function tabName() {
  try {
    const name = sessionStorage.getItem("sente-lite") || crypto.randomUUID();
    sessionStorage.setItem("sente-lite", name);
    return name;
  } catch {
    return null;
  }
}

/** Runs f(objects) → request in a transaction; resolves to the request's result once that is on disk. */
function transact(mode, f) {
  return new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error(`IndexedDB took more than ${STORE_MS} ms`)), STORE_MS);
    const open = root.indexedDB.open("sente-lite.js", 1);
    open.onupgradeneeded = () => open.result.createObjectStore("outbox");
    open.onerror = () => reject(open.error);
    open.onsuccess = () => {
      const db = open.result;
      const tx = db.transaction("outbox", mode);
      const request = f(tx.objectStore("outbox"));
      tx.oncomplete = () => (db.close(), resolve(request.result));
      tx.onabort = () => (db.close(), reject(tx.error));
    };
  });
}

class Store {
  #name; #busy = false; #again = null;

  constructor(name) { this.#name = name; }

  /** Resolves to the record, undefined at first. Rejects where another page has it: a duplicated tab has the same name. */
  async load() {
    const {locks} = root.navigator || {};
    if (locks) {
      await new Promise((mine, others) => {
        const held = () => new Promise(() => mine()); // as long as the page lives
        // A page that is being reloaded lets go of its own within this time.
        locks.request("sente-lite.js " + this.#name, {signal: AbortSignal.timeout(500)}, held).catch(others);
      });
    }
    return transact("readonly", (objects) => objects.get(this.#name));
  }

  /** Writes what snapshot() gives, then calls done(written) or failed(error). What changes meanwhile is written after. */
  async save(snapshot, done, failed) {
    if (this.#busy) return void (this.#again = [snapshot, done, failed]);
    this.#busy = true;
    const record = snapshot();
    try {
      await transact("readwrite", (objects) => (record ? objects.put(record, this.#name) : objects.delete(this.#name)));
      this.#busy = false;
      done(record);
    } catch (e) {
      this.#busy = false;
      failed(e);
    }
    const next = this.#again;
    this.#again = null;
    if (next) this.save(...next);
  }
}
