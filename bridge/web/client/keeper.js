// The session and what waits, kept in the store: nothing is written or acknowledged before it is on disk, so that a
// page that is loaded anew goes on with the session where this one was.

class Keeper {
  loading = null; // a promise until the store has been read
  #store = null; #gone; #out; #inbox; #link;

  /**
   * store: as connect takes it. link: {form, state() → {session, epoch, cb}, restored({session, cb}), expire(item),
   * pump(), report(error)}.
   */
  constructor(store, out, inbox, link) {
    [this.#out, this.#inbox, this.#link] = [out, inbox, link];
    if (store) this.#load(store === true ? tabName() : store);
  }

  get on() { return this.#store !== null; }

  #load(name) {
    const [out, inbox, {form, restored, expire, pump, report}] = [this.#out, this.#inbox, this.#link];
    if (name && form !== JSON_FORM) name += "." + form.name; // packed, it is nothing to a page with another packer
    this.#gone = (e) => {
      this.#store = null;
      inbox.saved(Infinity);
      out.committed = Infinity;
      report(fail("unavailable", "sente-lite/no-store", "connect",
        `what waits will not outlive the page: ${e?.message || e}; another page has the store ${name}, or IndexedDB is off`));
      pump();
    };
    this.#store = new Store(name);
    inbox.saved(0);
    out.committed = 0;
    this.loading = this.#store.load().then((r) => {
      if (!r) return;
      out.restore(r);
      r.items.forEach((i) => i.n === 0 && i.expiresAt && expire(i));
      restored(r);
      inbox.restart(r.seen);
    }).catch(this.#gone).then(() => {
      this.loading = null;
      this.save();
    });
  }

  /** Sees to it that the store has what there is now. */
  save() {
    if (!this.#store || this.loading) return;
    const [out, inbox, {state, pump}] = [this.#out, this.#inbox, this.#link];
    const snapshot = () => {
      const {items, acked, sent} = out;
      const kept = items.filter((i) => i.kind !== "call" || i.n > 0).map(({cb, ...i}) => i);
      return {...state(), seen: inbox.seen, acked, sent, items: kept};
    };
    this.#store.save(snapshot, (record) => {
      if (record.epoch !== state().epoch) return;
      out.committed = record.sent;
      inbox.saved(record.seen);
      pump();
    }, this.#gone);
  }
}
