// When what is in the outbox is written: at once, in bundles, or once there is room.

class Writer {
  #out; #link;
  #turnBusy = false; // something was written in this turn of the event loop
  #many = false; #wroteAt = 0; // whether the last bundle held more than one, and when it was written
  #holdTimer;
  #flushes = new Set(); // {item, acked, resolve, reject}

  /** link: {form, live(), write(packed), sent(f): calls f once that is with the socket, limits(), bundle, claim(): gives items to the store, ping()}. */
  constructor(out, link) { [this.#out, this.#link] = [out, link]; }

  /**
   * Writes what may go. What is sent in one turn, after the first, goes in one bundle at the turn's end; and after a
   * bundle of several the next is held for event-buffer-ms. force, for calls and replies, waits for neither.
   */
  pump(force = false) {
    const [out, {form, live, write, limits, bundle, claim}] = [this.#out, this.#link];
    const {"event-buffer-ms": ms = 25, "event-buffer-size": most = 100, "max-frame-size": bytes = 65536} = limits();
    const size = bundle ? Math.max(1, most) : 1;
    if (live()) claim();
    while (live()) {
      const items = out.next(size, bytes - 20); // what is around them
      if (items.length === 0) break;
      if (!force && items.length < size && out.next(size, Infinity).length === items.length) {
        if (this.#turnBusy) return;
        const hold = this.#many ? Math.min(ms, this.#wroteAt + ms - Date.now()) : 0;
        if (hold > 0) {
          this.#holdTimer ??= setTimeout(() => {
            this.#holdTimer = undefined;
            this.pump(true);
          }, hold);
          return;
        }
      }
      out.wrote(items);
      this.#many = items.length > 1;
      this.#wroteAt = Date.now();
      write(this.#many ? form.join(items.map((i) => i.text)) : items[0].text);
      if (this.#turnBusy) continue;
      this.#turnBusy = true;
      Promise.resolve().then(() => {
        this.#turnBusy = false;
        this.pump();
      });
    }
    this.flushed();
  }

  /** See Client. */
  flush(acked, timeoutMs) {
    return new Promise((resolve, reject) => {
      this.pump(true);
      const ends = (settle) => (value) => (clearTimeout(timer), this.#flushes.delete(flush), settle(value));
      const flush = {item: this.#out.items.at(-1), acked, resolve: ends(resolve), reject: ends(reject)};
      const timer = setTimeout(() => flush.reject(timeout("flush", timeoutMs, true)), timeoutMs);
      this.#flushes.add(flush);
      this.flushed();
    });
  }

  /** Ends the flushes whose time has come. */
  flushed() {
    const out = this.#out;
    for (const f of this.#flushes) {
      const done = !out.items.includes(f.item) || (!f.acked && f.item.n > 0 && f.item.n <= out.written);
      if (!done || f.asked) continue;
      // A socket keeps order: what a ping follows has come when its pong comes.
      f.asked = f.acked && !out.keeps && f.item !== undefined;
      if (f.asked) this.#link.ping().then(f.resolve, f.reject);
      else if (this.#flushes.delete(f)) this.#link.sent(f.resolve);
    }
  }

  /** Fails the flushes that the test is true of. */
  fail(error, test = () => true) {
    for (const f of this.#flushes) if (test(f)) f.reject(error);
  }

  /** The link is gone. */
  rest() {
    clearTimeout(this.#holdTimer);
    this.#holdTimer = undefined;
    this.#many = false;
  }
}
