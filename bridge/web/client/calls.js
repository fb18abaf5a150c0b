// Calls that wait for their replies.

class Calls {
  last = 0; // the number of the last call, which its cb is made of
  late = 0; // replies to no call that is open
  #open = new Map(); // cb → {resolve, reject, timer, item, event}
  #link;

  /** link: {put(event, cb, first) → {error, item}, opened(), recall(item): takes it back, true where it was not written}. */
  constructor(link) { this.#link = link; }

  get size() { return this.#open.size; }

  /** Returns the call's cb, undefined where it was not taken: then reject has been told. */
  call(event, timeoutMs, resolve, reject, first) {
    const cb = (++this.last).toString(36);
    const {error, item} = this.#link.put(event, cb, first);
    if (error) return void reject(error);
    // A call that never left must not leave after its caller has given up.
    const timer = setTimeout(() => this.settle(cb, timeout(event[0], timeoutMs, this.#link.recall(item))), timeoutMs);
    this.#open.set(cb, {resolve, reject, timer, item, event: event[0]});
    this.#link.opened();
    return cb;
  }

  settle(cb, value) {
    const call = this.#open.get(cb);
    if (!call) return void this.late++;
    this.#open.delete(cb);
    clearTimeout(call.timer);
    const error = value instanceof SenteLiteError ? value : errorIn(value, call.event);
    error ? call.reject(error) : call.resolve(value);
  }

  /** Ends the calls, with written those that were, by what error gives for an event's id. */
  end(error, written) {
    for (const [cb, {item, event}] of this.#open) if (!written || item.n > 0) this.settle(cb, error(event));
  }
}
